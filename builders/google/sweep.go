package google

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/journal"
)

// Sweeper clears what dead runs left in Compute Engine.
func Sweeper() builders.Sweeper { return builders.Sweeper{Cloud: journalName, Sweep: sweep} }

// sweepPatience is how long to wait until what something depends on is gone.
const sweepPatience = 10 * time.Minute

// sweep removes what the journal names, and in each of its projects and those
// of in.Places what carries the marks of dead runs of this user.
func sweep(ctx context.Context, h builders.Host, in builders.SweepInput) error {
	if h.Shared == nil {
		h.Shared = &sync.Map{}
	}
	ctx, cancel := context.WithTimeout(ctx, sweepPatience)
	defer cancel()
	in.Journal = in.Dead(checkpointLabel)
	var errs []error
	for _, area := range sweepAreas(in) {
		access := gcp.AccessOf(area.access)
		api, err := access.Client(h)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		s := &sweeping{api: api, in: in, area: area}
		errs = append(errs, s.run(ctx))
	}
	return errors.Join(errs...)
}

// sweepArea is what is reached in one way.
type sweepArea struct {
	access  map[string]string
	journal []journal.Resource
	places  []string // "project/zone"
}

func sweepAreas(in builders.SweepInput) []*sweepArea {
	byAccess := map[string]*sweepArea{}
	area := func(access map[string]string) *sweepArea {
		id := ""
		for _, k := range slices.Sorted(maps.Keys(access)) {
			id += fmt.Sprintf("%q=%q ", k, access[k])
		}
		if byAccess[id] == nil {
			byAccess[id] = &sweepArea{access: access}
		}
		return byAccess[id]
	}
	for _, r := range in.Journal {
		a := area(r.Access)
		a.journal = append(a.journal, r)
		if strings.Contains(r.Place, "/") && !slices.Contains(a.places, r.Place) {
			a.places = append(a.places, r.Place)
		}
	}
	for _, place := range in.Places {
		known := slices.ContainsFunc(in.Journal, func(r journal.Resource) bool { return r.Place == place })
		if a := area(nil); !known && !slices.Contains(a.places, place) {
			a.places = append(a.places, place)
		}
	}
	var out []*sweepArea
	for _, id := range slices.Sorted(maps.Keys(byAccess)) {
		out = append(out, byAccess[id])
	}
	return out
}

// sweeping is the sweep of one area.
type sweeping struct {
	api  *gcp.Client
	in   builders.SweepInput
	area *sweepArea

	mu     sync.Mutex
	things map[string]*thing
	errs   []error
}

// thing is a resource that exists and is to be removed.
type thing struct {
	journal.Resource
	labels map[string]string
}

func (s *sweeping) run(ctx context.Context) error {
	s.things = map[string]*thing{}
	var finding sync.WaitGroup
	for _, r := range s.area.journal {
		finding.Go(func() { s.journaled(ctx, r) })
	}
	finding.Wait()
	for _, place := range s.area.places {
		finding.Go(func() { s.marked(ctx, place) })
	}
	finding.Wait()
	// Disks are free once their instance is gone.
	for _, kinds := range [][]string{{"instance", "image", "snapshot", loginKeyKind, objectKind}, {"disk"}} {
		var removing sync.WaitGroup
		for _, t := range s.things {
			if slices.Contains(kinds, t.Kind) {
				removing.Go(func() { s.remove(ctx, t) })
			}
		}
		removing.Wait()
	}
	return errors.Join(s.errs...)
}

func (s *sweeping) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.errs = append(s.errs, err)
}

// found notes a resource, once.
func (s *sweeping) found(r journal.Resource, labels map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Kind + " " + r.Place + " " + r.Name
	if s.things[id] == nil {
		s.things[id] = &thing{Resource: r, labels: labels}
	}
}

// journaled looks whether what the journal names is there. What has its name
// but not its marks is someone else's.
func (s *sweeping) journaled(ctx context.Context, r journal.Resource) {
	if r.Kind == loginKeyKind {
		s.found(r, r.Tags)
		return
	}
	labels, err := s.labelsOf(ctx, r)
	_, checkpoint := r.Tags[checkpointLabel]
	switch {
	case gcp.IsNotFound(err), checkpoint && labels[checkpointLabel] == "":
	case err != nil:
		s.fail(fmt.Errorf("look for the %s %s in %s: %w", r.Kind, r.Name, r.Place, gcp.Explain(err)))
	case labels[runLabel] == r.Tags[runLabel] && !finished(r, labels):
		s.found(r, labels)
	}
}

// finished reports whether something is an image that is published: who was
// killed before the journal said so left it there, without its expiry.
func finished(r journal.Resource, labels map[string]string) bool {
	return r.Kind == "image" && r.Tags[expiresLabel] != "" && labels[expiresLabel] == ""
}

// labelsOf returns the labels of a resource that is there.
func (s *sweeping) labelsOf(ctx context.Context, r journal.Resource) (map[string]string, error) {
	project, where, _ := strings.Cut(r.Place, "/")
	switch {
	case r.Kind == "instance":
		i, err := s.api.Compute.Instances.Get(project, where, r.Name).Context(ctx).Do()
		if err != nil {
			return nil, err
		}
		return i.Labels, nil
	case r.Kind == "image":
		i, err := s.api.Compute.Images.Get(project, r.Name).Context(ctx).Do()
		if err != nil {
			return nil, err
		}
		return i.Labels, nil
	case r.Kind == "snapshot":
		i, err := s.api.Compute.Snapshots.Get(project, r.Name).Context(ctx).Do()
		if err != nil {
			return nil, err
		}
		return i.Labels, nil
	case r.Kind == "disk":
		d, err := s.disk(ctx, project, where, r.Name)
		if err != nil {
			return nil, err
		}
		return d.Labels, nil
	case r.Kind == objectKind:
		bucket, key, _ := strings.Cut(r.Name, "/")
		o, err := s.api.Storage.Objects.Get(bucket, key).Context(ctx).Do()
		if err != nil {
			return nil, err
		}
		return o.Metadata, nil
	}
	return nil, fmt.Errorf("this version of ingot does not know a %s", r.Kind)
}

func isZone(where string) bool {
	_, err := gcp.RegionOf(where)
	return err == nil && strings.Count(where, "-") == 2
}

func (s *sweeping) disk(ctx context.Context, project, where, name string) (*gce.Disk, error) {
	if isZone(where) {
		return s.api.Compute.Disks.Get(project, where, name).Context(ctx).Do()
	}
	return s.api.Compute.RegionDisks.Get(project, where, name).Context(ctx).Do()
}

// dead reports whether marks are those of a run of this user that is over, and
// whose time is up.
func (s *sweeping) dead(labels map[string]string, created string) bool {
	expires, err := strconv.ParseInt(labels[expiresLabel], 10, 64)
	if err != nil || !time.Unix(expires, 0).Before(s.in.Now) {
		return false
	}
	if t, err := time.Parse(time.RFC3339, created); err == nil && t.After(s.in.Now.Add(-s.in.OlderThan)) {
		return false
	}
	return !s.in.Live(labels[runLabel])
}

// marked looks for what carries marks in a place, and in its project.
func (s *sweeping) marked(ctx context.Context, place string) {
	project, where, _ := strings.Cut(place, "/")
	filter := fmt.Sprintf("labels.%s = %q", userLabel, owner())
	note := func(at, kind, name string, labels map[string]string, created string) {
		if s.dead(labels, created) {
			s.found(journal.Resource{Cloud: journalName, Place: project + "/" + at, Kind: kind, Name: name, ID: name,
				Tags: labels, Access: s.area.access, Build: labels[buildLabel]}, labels)
		}
	}
	disks := func(d *gce.Disk) { note(where, "disk", d.Name, d.Labels, d.CreationTimestamp) }
	var err error
	switch {
	case where == "global":
		err = s.markedInProject(ctx, project, filter, note)
	case isZone(where):
		err = s.markedInZone(ctx, project, where, filter, note)
	default:
		err = s.api.Compute.RegionDisks.List(project, where).Filter(filter).Pages(ctx, func(l *gce.DiskList) error {
			for _, d := range l.Items {
				disks(d)
			}
			return nil
		})
	}
	if err != nil {
		s.fail(fmt.Errorf("look for marked resources in %s: %w", place, gcp.Explain(err)))
	}
}

// noting takes something that carries marks.
type noting func(at, kind, name string, labels map[string]string, created string)

// markedInProject looks for images and snapshots.
func (s *sweeping) markedInProject(ctx context.Context, project, filter string, note noting) error {
	return errors.Join(
		s.api.Compute.Images.List(project).Filter(filter).Pages(ctx, func(l *gce.ImageList) error {
			for _, i := range l.Items {
				note("global", "image", i.Name, i.Labels, i.CreationTimestamp)
			}
			return nil
		}),
		s.api.Compute.Snapshots.List(project).Filter(filter).Pages(ctx, func(l *gce.SnapshotList) error {
			for _, i := range l.Items {
				note("global", "snapshot", i.Name, i.Labels, i.CreationTimestamp)
			}
			return nil
		}),
	)
}

// markedInZone looks for instances, disks, and what the project has.
func (s *sweeping) markedInZone(ctx context.Context, project, zone, filter string, note noting) error {
	return errors.Join(
		s.api.Compute.Instances.List(project, zone).Filter(filter).Pages(ctx, func(l *gce.InstanceList) error {
			for _, i := range l.Items {
				note(zone, "instance", i.Name, i.Labels, i.CreationTimestamp)
			}
			return nil
		}),
		s.api.Compute.Disks.List(project, zone).Filter(filter).Pages(ctx, func(l *gce.DiskList) error {
			for _, d := range l.Items {
				note(zone, "disk", d.Name, d.Labels, d.CreationTimestamp)
			}
			return nil
		}),
		s.markedInProject(ctx, project, filter, note),
	)
}

// remove removes a resource and tells of it. It tries again while something
// else still goes on with it.
func (s *sweeping) remove(ctx context.Context, t *thing) {
	if s.in.DryRun {
		s.in.Found(t.Resource, nil)
		return
	}
	var err error
	for try := 0; ; try++ {
		if err = s.delete(ctx, t.Resource); !gcp.IsInUse(err) || gcp.Backoff(ctx, try) != nil {
			break
		}
	}
	if gcp.IsNotFound(err) {
		err = nil
	}
	if err != nil {
		err = gcp.Explain(err)
		s.fail(fmt.Errorf("remove the %s %s in %s: %w", t.Kind, t.Name, t.Place, err))
	}
	s.in.Found(t.Resource, err)
}

func (s *sweeping) delete(ctx context.Context, r journal.Resource) error {
	project, where, _ := strings.Cut(r.Place, "/")
	request := gcp.RequestID()
	var op *gce.Operation
	var err error
	switch {
	case r.Kind == loginKeyKind:
		return removeLoginKey(ctx, s.api, r.Place, r.Name)
	case r.Kind == objectKind:
		return removeObject(ctx, s.api, r.Name)
	case r.Kind == "instance":
		op, err = s.api.Compute.Instances.Delete(project, where, r.Name).RequestId(request).Context(ctx).Do()
	case r.Kind == "image":
		op, err = s.api.Compute.Images.Delete(project, r.Name).RequestId(request).Context(ctx).Do()
	case r.Kind == "snapshot":
		op, err = s.api.Compute.Snapshots.Delete(project, r.Name).RequestId(request).Context(ctx).Do()
	case isZone(where):
		op, err = s.api.Compute.Disks.Delete(project, where, r.Name).RequestId(request).Context(ctx).Do()
	default:
		op, err = s.api.Compute.RegionDisks.Delete(project, where, r.Name).RequestId(request).Context(ctx).Do()
	}
	if err != nil {
		return err
	}
	return s.api.Wait(ctx, op)
}
