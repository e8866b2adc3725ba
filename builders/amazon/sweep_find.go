package amazon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/journal"
)

// thing is a resource that exists and is to be removed.
type thing struct {
	journal.Resource
	snapshots []string // of an image
	roles     []string // of an instance profile
	fleet     string   // that an instance belongs to
	err       error    // why it could not be removed
}

// sweepKind is a kind of resource: how it is found, and how it is removed.
type sweepKind struct {
	name string // in journals
	// Names of the filters that find it by its id, name and token; "" is none.
	byID, byName, byToken string
	find                  func(ctx context.Context, r *Region, filters []types.Filter) ([]*thing, error)
	remove                func(ctx context.Context, r *Region, t *thing) error
	// together does for all what can be done in one call, before remove. Nil
	// does nothing.
	together func(ctx context.Context, r *Region, list []*thing)
	gone     []string // codes of errors that say that it is gone
}

// find returns what the journal names and what carries marks of dead runs, each
// once.
func (p *sweepPlace) find(ctx context.Context, r *Region, in builders.SweepInput) ([]*thing, error) {
	f := &finding{r: r, in: in, things: map[string]*thing{}, others: map[string]bool{}}
	for _, stage := range sweepStages() {
		for _, k := range stage {
			f.journaled(ctx, k, p.journal)
			if p.marks {
				f.marked(ctx, k)
			}
		}
	}
	f.wg.Wait()
	f.addFleets()
	f.addSnapshots(ctx, p.journal)
	var out []*thing
	for _, id := range slices.Sorted(maps.Keys(f.things)) {
		out = append(out, f.things[id])
	}
	for _, res := range p.journal {
		if !slices.ContainsFunc(slices.Concat(sweepStages()...), func(k *sweepKind) bool { return k.name == res.Kind }) {
			f.errs = append(f.errs, fmt.Errorf("the journal names a %s, which this version of ingot does not know", res.Kind))
		}
	}
	return out, errors.Join(f.errs...)
}

type finding struct {
	r  *Region
	in builders.SweepInput
	wg sync.WaitGroup

	mu     sync.Mutex
	things map[string]*thing // by kind and id
	others map[string]bool   // that are there, and are not to be removed
	errs   []error
}

// fail notes an error once: that of a region is the same for each kind.
func (f *finding) fail(err error) {
	if !slices.ContainsFunc(f.errs, func(e error) bool { return e.Error() == err.Error() }) {
		f.errs = append(f.errs, err)
	}
}

// ask looks for resources of a kind and keeps those that ok accepts.
func (f *finding) ask(ctx context.Context, k *sweepKind, filters []types.Filter, ok func(*thing) bool) {
	f.wg.Go(func() {
		list, err := k.find(ctx, f.r, filters)
		f.mu.Lock()
		defer f.mu.Unlock()
		if err != nil && !hasCode(err, k.gone...) {
			f.fail(f.r.explain(ctx, "look for what was left in "+f.r.Name, err))
		}
		for _, t := range list {
			t.Cloud, t.Place, t.Kind = cloud, f.r.Name, k.name
			if !ok(t) {
				f.others[k.name+" "+t.ID] = true
				continue
			}
			if old := f.things[k.name+" "+t.ID]; old == nil || old.Token == "" && t.Token != "" {
				f.things[k.name+" "+t.ID] = t
			}
		}
	})
}

// journaled looks for what the journal names: by id all in one call, else by
// token, by name or by tags.
func (f *finding) journaled(ctx context.Context, k *sweepKind, entries []journal.Resource) {
	var ids []string
	byID := map[string]journal.Resource{}
	for _, e := range entries {
		switch {
		case e.Kind != k.name:
		case e.ID != "":
			ids = append(ids, e.ID)
			byID[e.ID] = e
		default:
			if filters := k.filters(e); filters != nil {
				f.ask(ctx, k, filters, func(t *thing) bool { return t.adopt(e) })
			}
		}
	}
	for _, part := range chunks(ids) {
		if len(part) == 0 {
			continue
		}
		f.ask(ctx, k, []types.Filter{filter(k.byID, part...)}, func(t *thing) bool {
			return t.adopt(byID[t.ID])
		})
	}
}

// adopt takes over what the journal knows of a thing. What is marked as another
// run's is that run's by now: a copy that it found half done and went on with.
// What is said to be a checkpoint and is not marked as one is someone's image; an
// image that has lost its expiry is published: who did that was killed before
// the journal said so.
func (t *thing) adopt(e journal.Resource) bool {
	if _, checkpoint := e.Tags[tagCheckpoint]; checkpoint && t.Tags[tagCheckpoint] == "" {
		return false
	}
	if e.Kind == kindImage && e.Tags[tagExpires] != "" && t.Tags[tagExpires] == "" {
		return false
	}
	if run, was := t.Tags[tagRun], e.Tags[tagRun]; run != "" && was != "" && run != was {
		return false
	}
	t.Build, t.Created, t.Token, t.Access = e.Build, e.Created, e.Token, e.Access
	t.Name = cmp.Or(e.Name, t.Name)
	if t.Tags[tagRun] == "" {
		t.Tags = e.Tags
	}
	return true
}

// filters finds a resource whose id is not known. What has the token or the
// name of another run is not it.
func (k *sweepKind) filters(e journal.Resource) []types.Filter {
	var out []types.Filter
	switch {
	case e.Token != "" && k.byToken != "":
		return []types.Filter{filter(k.byToken, e.Token)}
	case e.Name != "" && k.byName != "":
		out = append(out, filter(k.byName, e.Name))
	}
	for _, tag := range []string{tagRun, tagBuild, tagUser} {
		if v := e.Tags[tag]; v != "" {
			out = append(out, filter("tag:"+tag, v))
		}
	}
	return out
}

// marked looks for what carries the marks of dead runs of this user, and is past
// its expiry. A published image has none.
func (f *finding) marked(ctx context.Context, k *sweepKind) {
	mine := whoami()
	f.ask(ctx, k, []types.Filter{filter("tag:"+tagUser, mine), filter("tag-key", tagExpires)}, func(t *thing) bool {
		end, err := time.Parse(time.RFC3339, t.Tags[tagExpires])
		made := t.Created
		if made.IsZero() {
			made = end // EC2 does not say; it was made before it expired
		}
		if err != nil || t.Tags[tagUser] != mine || end.After(f.in.Now) || made.After(f.in.Now.Add(-f.in.OlderThan)) {
			return false
		}
		return f.in.Live == nil || !f.in.Live(t.Tags[tagRun])
	})
}

// addFleets adds the fleets that the instances found belong to.
func (f *finding) addFleets() {
	for _, t := range f.things {
		if t.Kind != kindInstance || !strings.HasPrefix(t.fleet, "fleet-") {
			continue
		}
		if id := kindFleet + " " + t.fleet; f.things[id] == nil {
			f.things[id] = &thing{Resource: journal.Resource{Cloud: cloud, Place: f.r.Name, Kind: kindFleet, ID: t.fleet,
				Build: t.Build, Created: t.Created, Tags: t.Tags}}
		}
	}
}

// addSnapshots adds those of images that are gone already: who deregistered one
// may have been killed before it deleted them. A copy that another run has taken
// over is not gone.
func (f *finding) addSnapshots(ctx context.Context, entries []journal.Resource) {
	for _, e := range entries {
		id := kindImage + " " + e.ID
		if e.Kind != kindImage || e.ID == "" || f.things[id] != nil || f.others[id] {
			continue
		}
		ids, err := f.r.ownSnapshots(ctx, e.ID, nil, e.Tags)
		if err != nil {
			f.errs = append(f.errs, f.r.explain(ctx, "look for the snapshots of "+e.ID, err))
		}
		for _, id := range ids {
			f.things[kindSnapshot+" "+id] = &thing{Resource: journal.Resource{Cloud: cloud, Place: f.r.Name, Kind: kindSnapshot, ID: id,
				Build: e.Build, Created: e.Created, Tags: e.Tags}}
		}
	}
}
