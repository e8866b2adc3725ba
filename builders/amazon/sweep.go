package amazon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/journal"
)

// cloud is the name of this cloud in journals.
const cloud = "amazon"

// Sweeper clears what dead runs left in EC2.
func Sweeper() builders.Sweeper { return builders.Sweeper{Cloud: cloud, Sweep: sweep} }

// patienceSweep is how long to wait until instances have ended, and until what
// they used can be deleted.
const patienceSweep = 10 * time.Minute

// retriesSweep is how often a call of a sweep is made again: about a minute
// long. A service that is not there any more ends it.
const retriesSweep = 12

// sweep goes through the places one by one account and in parallel.
func sweep(ctx context.Context, h builders.Host, in builders.SweepInput) error {
	if h.Shared == nil {
		h.Shared = &sync.Map{}
	}
	in.Journal = in.Dead(tagCheckpoint)
	var mu sync.Mutex
	var errs []error
	var wg sync.WaitGroup
	for _, p := range sweepPlaces(in) {
		wg.Go(func() {
			err := p.sweep(ctx, h, in)
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, err)
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// sweepPlace is one region, reached in one way.
type sweepPlace struct {
	region  string
	access  map[string]string
	journal []journal.Resource
	marks   bool // look for marked resources as well
}

// sweepPlaces sorts what is to be swept by region and access. Marked resources
// are looked for in each.
func sweepPlaces(in builders.SweepInput) []*sweepPlace {
	byKey := map[string]*sweepPlace{}
	place := func(region string, access map[string]string) *sweepPlace {
		id := region
		for _, k := range slices.Sorted(maps.Keys(access)) {
			id += fmt.Sprintf(" %q=%q", k, access[k])
		}
		if byKey[id] == nil {
			byKey[id] = &sweepPlace{region: region, access: access, marks: true}
		}
		return byKey[id]
	}
	for _, r := range in.Journal {
		p := place(r.Place, r.Access)
		p.journal = append(p.journal, r)
	}
	for _, region := range in.Places {
		if !slices.ContainsFunc(in.Journal, func(r journal.Resource) bool { return r.Place == region }) {
			place(region, nil)
		}
	}
	var out []*sweepPlace
	for _, k := range slices.Sorted(maps.Keys(byKey)) {
		out = append(out, byKey[k])
	}
	return out
}

// reach opens the account as the run had it.
func (p *sweepPlace) reach(ctx context.Context, h builders.Host) (*Region, error) {
	c := AccessConfig{Region: p.region, Profile: p.access["profile"], CustomEndpointEC2: p.access["endpoint"],
		SharedCredentialsFile: p.access["shared_credentials_file"], MaxRetries: retriesSweep}
	if arn := p.access["role_arn"]; arn != "" {
		c.AssumeRole = &AssumeRole{RoleARN: arn, ExternalID: p.access["external_id"]}
	}
	a, err := c.Open(h)
	if err != nil {
		return nil, err
	}
	r, err := a.Region(ctx, p.region)
	if err != nil || h.Sandbox != nil {
		return r, err
	}
	// Keys in a template are not in the journal. With those of another account
	// nothing would be found, and taken for gone.
	if want := p.access["access_key"]; want != "" {
		has, err := r.Config.Credentials.Retrieve(ctx)
		if err != nil {
			return nil, noCredentials(err)
		}
		if has.AccessKeyID != want {
			return nil, builders.WithHint(fmt.Errorf("it was made with the access key %s", want),
				"set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY to that key and its secret")
		}
	}
	return r, nil
}

// sweep removes what is found in the place, in the order in which things
// depend on one another.
func (p *sweepPlace) sweep(ctx context.Context, h builders.Host, in builders.SweepInput) error {
	r, err := p.reach(ctx, h)
	if err != nil {
		return fmt.Errorf("sweep %s: %w", p.region, err)
	}
	found, err := p.find(ctx, r, in)
	errs := []error{err}
	if in.DryRun {
		for _, t := range found {
			in.Found(t.Resource, nil)
		}
		return errors.Join(errs...)
	}
	var mu sync.Mutex
	for _, stage := range sweepStages() {
		var wg sync.WaitGroup
		for _, k := range stage {
			these := slices.DeleteFunc(slices.Clone(found), func(t *thing) bool { return t.Kind != k.name })
			if len(these) == 0 {
				continue
			}
			wg.Go(func() {
				k.removeAll(ctx, r, these, func(t *thing, err error) {
					in.Found(t.Resource, err)
					if err != nil {
						mu.Lock()
						defer mu.Unlock()
						errs = append(errs, fmt.Errorf("%s %s in %s: %w", t.Kind, cmp.Or(t.ID, t.Name), p.region, err))
					}
				})
			})
		}
		wg.Wait()
	}
	return errors.Join(errs...)
}

// removeAll removes all things of one kind, and tells of each.
func (k *sweepKind) removeAll(ctx context.Context, r *Region, list []*thing, tell func(*thing, error)) {
	if k.together != nil {
		k.together(ctx, r, list)
	}
	var wg sync.WaitGroup
	for _, t := range list {
		wg.Go(func() {
			if t.err == nil {
				t.err = k.remove(ctx, r, t)
			}
			if hasCode(t.err, k.gone...) {
				t.err = nil
			}
			tell(t, r.explain(ctx, "", t.err))
		})
	}
	wg.Wait()
}
