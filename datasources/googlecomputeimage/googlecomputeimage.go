// Package googlecomputeimage is the data source of an image of Google Compute
// Engine.
package googlecomputeimage

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/component"
)

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "googlecompute-image",
		New: func() datasources.Config { return &Config{} }, Output: &Output{}}
}

// Config says which image to find. Exactly one must match, unless most_recent
// takes the newest.
type Config struct {
	// ProjectID is the project to look in.
	ProjectID string `hcl:"project_id"`
	// Filters is an expression that the image must match:
	// "family = web AND labels.team = a". See
	// https://cloud.google.com/compute/docs/reference/rest/v1/images/list
	Filters string `hcl:"filters"`
	// MostRecent takes the newest where several match. Default false.
	MostRecent bool `hcl:"most_recent,optional"`

	gcp.Access
}

// Output is the image.
type Output struct {
	// ID is the image's number.
	ID string `cty:"id"`
	// Name is the image's name.
	Name string `cty:"name"`
	// CreationDate is when it was made, in RFC 3339.
	CreationDate string `cty:"creation_date"`
	// Labels are its labels.
	Labels map[string]string `cty:"labels"`
}

// Check checks the options.
func (c *Config) Check() error {
	switch {
	case c.ProjectID == "":
		return component.Errorf("project_id", "is empty")
	case strings.TrimSpace(c.Filters) == "":
		e := component.Errorf("filters", "is empty: any image could match")
		e.Advice = `e.g. filters = "family = web"`
		return e
	}
	return c.CheckAccess()
}

// Read finds the image.
func (c *Config) Read(ctx context.Context, in datasources.Input) (any, error) {
	h := in.Host
	api, err := c.Client(h)
	if err != nil {
		return nil, err
	}
	var found []*gce.Image
	err = api.Compute.Images.List(c.ProjectID).Filter(c.Filters).Pages(ctx, func(l *gce.ImageList) error {
		found = append(found, l.Items...)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("list the images of the project %s that match %s: %w", c.ProjectID, c.Filters, gcp.Explain(err))
	}
	switch {
	case len(found) == 0:
		return nil, builders.WithHint(fmt.Errorf("no image of the project %s matches %s", c.ProjectID, c.Filters),
			fmt.Sprintf("look at what there is with: gcloud compute images list --project %s --no-standard-images", c.ProjectID))
	case len(found) > 1 && !c.MostRecent:
		return nil, builders.WithHint(fmt.Errorf("%d images of the project %s match %s, such as %s and %s",
			len(found), c.ProjectID, c.Filters, found[0].Name, found[1].Name), "set most_recent = true to take the newest, or narrow the filter")
	}
	img := slices.MaxFunc(found, func(a, b *gce.Image) int { return created(a).Compare(created(b)) })
	out := Output{ID: fmt.Sprint(img.Id), Name: img.Name, CreationDate: img.CreationTimestamp, Labels: img.Labels}
	if out.Labels == nil {
		out.Labels = map[string]string{}
	}
	return out, nil
}

// created is when an image was made. Times may be of different zones.
func created(img *gce.Image) time.Time {
	t, _ := time.Parse(time.RFC3339, img.CreationTimestamp)
	return t
}
