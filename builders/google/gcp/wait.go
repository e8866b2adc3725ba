package gcp

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	gce "google.golang.org/api/compute/v1"
	"google.golang.org/api/googleapi"

	"github.com/ingot-build/ingot/internal/poll"
)

// every is the interval of requests about one kind of thing in one place. Two
// kinds at the same time stay below three requests a second.
const every = 850 * time.Millisecond

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

// direct is how many operations are waited for each by a call of its own, which
// the service answers as soon as the operation has ended. With more, one list
// request a moment for all in the same place costs less.
const direct = 2

// Wait waits until an operation has ended well.
func (c *Client) Wait(ctx context.Context, op *gce.Operation) error {
	if c.waiting.Add(1) <= direct {
		defer c.waiting.Add(-1)
		return c.waitFor(ctx, op)
	}
	defer c.waiting.Add(-1)
	return c.listUntil(ctx, op)
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
			if err := Sleep(ctx, every-time.Since(asked)); err != nil {
				return err
			}
		}
	}
	return operationError(op)
}

// listUntil waits with all others in the same place.
func (c *Client) listUntil(ctx context.Context, op *gce.Operation) error {
	if op.Status == "DONE" {
		return operationError(op)
	}
	s := scope{project: ProjectOf(op.SelfLink)}
	if op.Zone != "" {
		s.zone = Last(op.Zone)
	} else if op.Region != "" {
		s.region = Last(op.Region)
	}
	done, err := poller(c, c.operations, s, c.listOperations(s), retry).Wait(ctx, op.Name, func(op *gce.Operation, exists bool) (bool, error) {
		return exists && op.Status == "DONE", nil
	})
	if err != nil {
		return err
	}
	return operationError(done)
}

// Instance waits until check says that an instance is as it should be. The
// instance is nil while it does not exist.
func (c *Client) Instance(ctx context.Context, project, zone, name string, check func(*gce.Instance) (bool, error)) (*gce.Instance, error) {
	s := scope{project: project, zone: zone}
	return poller(c, c.instances, s, c.listInstances(s), retry).Wait(ctx, name, func(i *gce.Instance, exists bool) (bool, error) {
		if !exists {
			i = nil
		}
		return check(i)
	})
}

// Image returns an image of a project, nil where there is none of that name.
// Builds that ask at the same time share a request.
func (c *Client) Image(ctx context.Context, project, name string) (*gce.Image, error) {
	var found *gce.Image
	_, err := poller(c, c.images, project, c.listImages(project), throttled).Wait(ctx, name, func(i *gce.Image, exists bool) (bool, error) {
		if exists {
			found = i
		}
		return true, nil
	})
	return found, err
}

// poller returns the poller of a place, made with the first who waits there.
func poller[K comparable, T any](c *Client, all map[K]*poll.Poller[T], at K, fetch func(context.Context, []string) (map[string]T, error), retry func(error) (bool, bool)) *poll.Poller[T] {
	c.mu.Lock()
	defer c.mu.Unlock()
	if all[at] == nil {
		all[at] = &poll.Poller[T]{Fetch: fetch, Retry: retry, Every: every}
	}
	return all[at]
}

// throttled asks again only when the service wants to be asked more slowly: a
// question, unlike a wait, has no deadline that ends it.
func throttled(err error) (again, slower bool) {
	_, slower = retry(err)
	return slower, slower
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
