package gcp

import (
	"context"
	"strings"
	"time"

	gce "google.golang.org/api/compute/v1"
)

// recent is how long an image that was seen in a listing counts as there.
const recent = 5 * time.Second

// Listing is the images that a project had, up to as many as one request gives.
type Listing struct {
	at     time.Time
	images []*gce.Image
	whole  bool // these are all
}

func listingOf(project string) string { return "images " + project }

// Listing lists the images of a project, what of them is needed to tell one from
// another. Builds that ask at about the same time share a request.
func (c *Client) Listing(ctx context.Context, project string) (*Listing, error) {
	return within(ctx, c, absent, listingOf(project), func() (*Listing, error) {
		at := time.Now()
		list, err := c.Compute.Images.List(project).MaxResults(500).Context(ctx).
			Fields("nextPageToken", "items(id,name,family,selfLink,architecture,creationTimestamp,status,deprecated)").Do()
		if err != nil {
			return nil, err
		}
		return &Listing{at, list.Items, list.NextPageToken == ""}, nil
	})
}

// Named returns the image of that name, nil where there is none. Sure is false
// where there may be one all the same.
func (l *Listing) Named(name string) (img *gce.Image, sure bool) {
	for _, i := range l.images {
		if i.Name == name {
			return i, true
		}
	}
	return nil, l.whole
}

// Newest returns what the service takes for a family: the image made last that
// is not deprecated. Sure is as that of Named:
// https://cloud.google.com/compute/docs/images/image-families-best-practices
func (l *Listing) Newest(family string) (img *gce.Image, sure bool) {
	var newest time.Time
	for _, i := range l.images {
		active := i.Deprecated == nil || i.Deprecated.State == "" || i.Deprecated.State == "ACTIVE"
		made, _ := time.Parse(time.RFC3339, i.CreationTimestamp)
		if i.Family == family && active && i.Status == "READY" && (img == nil || made.After(newest)) {
			img, newest = i, made
		}
	}
	return img, l.whole
}

// seen returns an image that a listing had a moment ago, nil where there is
// none.
func (c *Client) seen(project, name string) *gce.Image {
	c.mu.Lock()
	a := c.known[listingOf(project)]
	c.mu.Unlock()
	if a == nil {
		return nil
	}
	select {
	case <-a.done:
	default:
		return nil
	}
	l, ok := a.value.(*Listing)
	if !ok || l == nil || time.Since(l.at) > recent {
		return nil
	}
	img, _ := l.Named(name)
	return img
}

// forget drops the listing of a project one of whose images an operation
// changed.
func (c *Client) forget(op *gce.Operation) {
	if !strings.Contains(op.TargetLink, "/global/images/") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, listingOf(ProjectOf(op.TargetLink)))
}

// Exists returns an image of a project, nil where there is none. One that was
// seen a moment ago is not asked for again.
func (c *Client) Exists(ctx context.Context, project, name string) (*gce.Image, error) {
	if img := c.seen(project, name); img != nil {
		return img, nil
	}
	return c.Image(ctx, project, name)
}
