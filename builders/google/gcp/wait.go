package gcp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	gce "google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"

	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/poll"
)

// The interval of requests about one kind of thing in one place, where
// something happens and where nothing does. Fifty builds stay below three
// requests a second.
const (
	every = 700 * time.Millisecond
	idle  = 2 * time.Second
)

// most is how many names one filter holds.
const most = 60

// scope is where a resource is: in a zone, in a region, or global.
type scope struct{ project, region, zone string }

func (s scope) String() string {
	switch {
	case s.zone != "":
		return s.project + "/" + s.zone
	case s.region != "":
		return s.project + "/" + s.region
	}
	return s.project + "/global"
}

// apart is the time between calls that wait for one operation each: builds that
// come one by one must not make one each.
const apart = time.Second

// operations are those that are waited for in one place.
type operations struct {
	*poll.Poller[*gce.Operation]

	mu      sync.Mutex
	waiting int
	direct  time.Time // when the last call for one of them began
}

// enter reports whether the one who comes waits by a call of its own.
func (o *operations) enter() (direct bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting++
	if direct = o.waiting == 1 && time.Since(o.direct) > apart; direct {
		o.direct = time.Now()
	}
	return direct
}

func (o *operations) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.waiting--
}

// Wait waits until an operation has ended well. The first one in a place is
// waited for by a call of its own, which the service answers as soon as it has
// ended. For all others, one list request a moment costs less. Those that began
// at the same time end at about the same time: the answer to the first one says
// when to ask.
func (c *Client) Wait(ctx context.Context, op *gce.Operation) error {
	defer c.forget(op)
	if op.Status == "DONE" {
		return operationError(op)
	}
	all := c.operationsAt(op)
	defer all.leave()
	if all.enter() {
		defer all.Stir()
		return c.waitFor(ctx, op)
	}
	done, err := all.Wait(ctx, op.Name, func(op *gce.Operation, exists bool) (bool, error) {
		return exists && op.Status == "DONE", nil
	})
	if err != nil {
		return err
	}
	return operationError(done)
}

// operationsAt returns those in the place of an operation.
func (c *Client) operationsAt(op *gce.Operation) *operations {
	s := scope{project: ProjectOf(op.SelfLink)}
	if op.Zone != "" {
		s.zone = Last(op.Zone)
	} else if op.Region != "" {
		s.region = Last(op.Region)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.operations[s] == nil {
		c.operations[s] = &operations{Poller: newPoller(c.listOperations(s))}
	}
	return c.operations[s]
}

func newPoller[T any](fetch func(context.Context, []string) (map[string]T, error)) *poll.Poller[T] {
	return &poll.Poller[T]{Fetch: fetch, Retry: retry, Every: every, Idle: idle}
}

// waitFor asks the service to answer when the operation has ended. It may do so
// earlier:
// https://cloud.google.com/compute/docs/reference/rest/v1/zoneOperations/wait
func (c *Client) waitFor(ctx context.Context, op *gce.Operation) error {
	project, name := ProjectOf(op.SelfLink), op.Name
	for op.Status != "DONE" {
		asked := time.Now()
		var err error
		switch {
		case op.Zone != "":
			op, err = c.Compute.ZoneOperations.Wait(project, Last(op.Zone), name).Context(ctx).Do()
		case op.Region != "":
			op, err = c.Compute.RegionOperations.Wait(project, Last(op.Region), name).Context(ctx).Do()
		default:
			op, err = c.Compute.GlobalOperations.Wait(project, name).Context(ctx).Do()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err != nil {
			return err
		}
		if op.Status != "DONE" {
			if err := pause.For(ctx, every-time.Since(asked)); err != nil {
				return err
			}
		}
	}
	return operationError(op)
}

// Instance waits until check says that an instance is as it should be. The
// instance is nil while it does not exist.
func (c *Client) Instance(ctx context.Context, project, zone, name string, check func(*gce.Instance) (bool, error)) (*gce.Instance, error) {
	s := scope{project: project, zone: zone}
	c.mu.Lock()
	p := c.instances[s]
	if p == nil {
		p = newPoller(c.listInstances(s))
		c.instances[s] = p
	}
	c.mu.Unlock()
	return p.Wait(ctx, name, func(i *gce.Instance, exists bool) (bool, error) {
		if !exists {
			i = nil
		}
		return check(i)
	})
}

// Snapshot waits until check says that a snapshot is as it should be. The
// snapshot is nil while it does not exist.
func (c *Client) Snapshot(ctx context.Context, project, name string, check func(*gce.Snapshot) (bool, error)) (*gce.Snapshot, error) {
	c.mu.Lock()
	p := c.snapshots[project]
	if p == nil {
		p = newPoller(c.listSnapshots(project))
		c.snapshots[project] = p
	}
	c.mu.Unlock()
	return p.Wait(ctx, name, func(s *gce.Snapshot, exists bool) (bool, error) {
		if !exists {
			s = nil
		}
		return check(s)
	})
}

// Image returns an image of a project, nil where there is none of that name.
// Builds that ask at the same time share a request.
func (c *Client) Image(ctx context.Context, project, name string) (*gce.Image, error) {
	c.mu.Lock()
	g := c.images[project]
	if g == nil {
		g = &poll.Gather[*gce.Image]{Ask: c.listImages(project), Most: most, Patience: patience}
		c.images[project] = g
	}
	c.mu.Unlock()
	img, _, err := g.Get(ctx, name)
	return img, err
}

// retry reports whether to ask again after an error that outlasted the pace's
// own tries.
func retry(err error) (again, throttled bool) {
	var api *googleapi.Error
	if errors.As(err, &api) {
		throttled = api.Code == http.StatusTooManyRequests
		return throttled || api.Code >= http.StatusInternalServerError, throttled
	}
	var login *LoginError
	return !errors.As(err, &login), false
}

func (c *Client) listOperations(s scope) func(context.Context, []string) (map[string]*gce.Operation, error) {
	return func(ctx context.Context, names []string) (map[string]*gce.Operation, error) {
		return inParts(names, func(filter string) (map[string]*gce.Operation, error) {
			var list *gce.OperationList
			var err error
			switch {
			case s.zone != "":
				list, err = c.Compute.ZoneOperations.List(s.project, s.zone).Filter(filter).Context(ctx).Do()
			case s.region != "":
				list, err = c.Compute.RegionOperations.List(s.project, s.region).Filter(filter).Context(ctx).Do()
			default:
				list, err = c.Compute.GlobalOperations.List(s.project).Filter(filter).Context(ctx).Do()
			}
			if err != nil {
				return nil, err
			}
			return byName(list.Items, func(o *gce.Operation) string { return o.Name }), nil
		})
	}
}

func (c *Client) listInstances(s scope) func(context.Context, []string) (map[string]*gce.Instance, error) {
	return func(ctx context.Context, names []string) (map[string]*gce.Instance, error) {
		return inParts(names, func(filter string) (map[string]*gce.Instance, error) {
			list, err := c.Compute.Instances.List(s.project, s.zone).Filter(filter).Context(ctx).Do()
			if err != nil {
				return nil, err
			}
			return byName(list.Items, func(i *gce.Instance) string { return i.Name }), nil
		})
	}
}

func (c *Client) listSnapshots(project string) func(context.Context, []string) (map[string]*gce.Snapshot, error) {
	return func(ctx context.Context, names []string) (map[string]*gce.Snapshot, error) {
		return inParts(names, func(filter string) (map[string]*gce.Snapshot, error) {
			list, err := c.Compute.Snapshots.List(project).Filter(filter).Context(ctx).Do()
			if err != nil {
				return nil, err
			}
			return byName(list.Items, func(s *gce.Snapshot) string { return s.Name }), nil
		})
	}
}

func (c *Client) listImages(project string) func(context.Context, []string) (map[string]*gce.Image, error) {
	return func(ctx context.Context, names []string) (map[string]*gce.Image, error) {
		return inParts(names, func(filter string) (map[string]*gce.Image, error) {
			list, err := c.Compute.Images.List(project).Filter(filter).Context(ctx).Do()
			if err != nil {
				return nil, err
			}
			return byName(list.Items, func(i *gce.Image) string { return i.Name }), nil
		})
	}
}

func byName[T any](items []T, name func(T) string) map[string]T {
	out := make(map[string]T, len(items))
	for _, i := range items {
		out[name(i)] = i
	}
	return out
}

// inParts asks for names, so many at a time that the address stays short.
func inParts[T any](names []string, ask func(filter string) (map[string]T, error)) (map[string]T, error) {
	slices.Sort(names)
	out := map[string]T{}
	for part := range slices.Chunk(names, most) {
		found, err := ask(namesFilter(part))
		if err != nil {
			return nil, err
		}
		maps.Copy(out, found)
	}
	return out, nil
}

// namesFilter is a filter of list calls for resources of these names:
// https://cloud.google.com/compute/docs/reference/rest/v1/instances/list
func namesFilter(names []string) string {
	parts := make([]string, len(names))
	for i, n := range names {
		parts[i] = fmt.Sprintf("(name = %q)", n)
	}
	if len(parts) == 1 {
		return strings.Trim(parts[0], "()")
	}
	return strings.Join(parts, " OR ")
}

func isEnd(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
