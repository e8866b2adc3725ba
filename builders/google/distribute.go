package google

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/key"
)

// Distribution is the key of what Distribute brings about.
func (b *builder) Distribution() key.Key {
	c := b.cloud
	if c.SkipCreateImage {
		return key.New("googlecompute/skip").Sum()
	}
	return key.New("googlecompute/1").String(c.ImageProjectID).String(c.ImageFamily).String(c.ImageDescription).
		Map(c.ImageLabels).String(c.DeprecateAt).String(c.ObsoleteAt).String(c.DeleteAt).Sum()
}

// Distribute gives the image the labels, family, description and times that the
// options say, and takes the mark of its expiry off. An image that was made in
// another project is copied.
func (b *builder) Distribute(ctx context.Context, a artifact.Artifact, env builders.Env) (artifact.Artifact, error) {
	c := b.cloud
	if c.SkipCreateImage || len(a.Places) == 0 {
		return a, nil
	}
	defer c.api.Listen(env.Log)()
	ctx, cancel := context.WithTimeoutCause(ctx, c.imageTimeout(), errors.New("the image is not distributed in time (state_timeout)"))
	defer cancel()
	place := a.Places[0]
	img, err := c.api.Image(ctx, place.Name, place.ID)
	if err == nil && img == nil {
		err = errors.New("it is not there")
	}
	if err != nil {
		return a, fmt.Errorf("image %s: %w", place.ID, gcp.Explain(err))
	}
	name := place.ID
	if env.Renamed {
		name = c.ImageName
	}
	if place.Name != c.ImageProjectID || place.ID != name {
		if img, err = c.copyImage(ctx, img, name, env); err != nil {
			return a, fmt.Errorf("copy the image %s to the project %s as %s: %w", place.ID, c.ImageProjectID, name, gcp.Explain(err))
		}
		a = c.copied(a, img)
	}
	for _, bring := range []func(context.Context, *gce.Image) (*gce.Operation, error){c.describe, c.setLabels, c.deprecate} {
		op, err := bring(ctx, img)
		if err == nil && op != nil {
			err = c.api.Wait(ctx, op)
		}
		if err != nil {
			return a, fmt.Errorf("image %s: %w", img.Name, gcp.Explain(err))
		}
	}
	return a, nil
}

// copied is the artifact with the copy in the project of the options: beside
// what it was made of, or in its place where that has another name.
func (c *cloud) copied(a artifact.Artifact, img *gce.Image) artifact.Artifact {
	p := artifact.Place{Name: c.ImageProjectID, ID: img.Name}
	if a.ID == img.Name {
		if !slices.Contains(a.Places, p) {
			a.Places = append(slices.Clone(a.Places), p)
		}
		return a
	}
	a.ID, a.Text, a.Places = img.Name, created(c.ImageProjectID, img.Name), []artifact.Place{p}
	a.Labels = maps.Clone(a.Labels)
	a.Labels[idLabel] = fmt.Sprint(img.Id)
	return a
}

// NameOption is the option that names the image.
func (b *builder) NameOption() string { return "image_name" }

// copyImage makes the image in the project that the options name, unless it is
// there.
func (c *cloud) copyImage(ctx context.Context, img *gce.Image, name string, env builders.Env) (*gce.Image, error) {
	have, err := c.api.Image(ctx, c.ImageProjectID, name)
	if err != nil {
		return nil, err
	}
	if have != nil {
		if have.SourceImageId == fmt.Sprint(img.Id) {
			return c.adopt(ctx, have, env)
		}
		return nil, errors.New("another image has the name there")
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	labels := c.runLabels(env, time.Now())
	request := gcp.RequestID()
	entry, err := env.Journal.Intend(journal.Resource{
		Cloud: journalName, Place: c.ImageProjectID + "/global", Kind: "image", Name: name, Token: request,
		Tags: labels, Access: c.Access.Journal(c.host), Build: env.Build,
	})
	if err != nil {
		return nil, err
	}
	known, done := machine.Outlive(ctx)
	defer done()
	op, err := c.api.Compute.Images.Insert(c.ImageProjectID, &gce.Image{
		Name: name, SourceImage: gcp.Partial(img.SelfLink), Family: c.ImageFamily, Description: c.ImageDescription,
		Labels: merged(c.ImageLabels, labels), ImageEncryptionKey: c.ImageEncryptionKey.api(), StorageLocations: c.ImageStorageLocations,
	}).RequestId(request).Context(known).Do()
	if err == nil {
		err = c.api.Wait(ctx, op)
	}
	if err != nil {
		return nil, errors.Join(err, c.dropImage(ctx, name, entry, err))
	}
	if err := errors.Join(entry.Made(name), entry.Keep()); err != nil {
		return nil, err
	}
	return c.api.Image(ctx, c.ImageProjectID, name)
}

// adopt takes over a copy that an earlier run has begun. From here on it is this
// run's: a sweep of the earlier one leaves it alone.
func (c *cloud) adopt(ctx context.Context, img *gce.Image, env builders.Env) (*gce.Image, error) {
	name := img.Name
	for try := 0; img != nil && img.Status == "PENDING"; try++ {
		err := gcp.Backoff(ctx, try)
		if err == nil {
			img, err = c.api.Image(ctx, c.ImageProjectID, name)
		}
		if err != nil {
			return nil, err
		}
	}
	if img == nil || img.Status == "FAILED" {
		return nil, errors.New("the copy that an earlier run began has failed: remove it")
	}
	op, err := c.api.Compute.Images.SetLabels(c.ImageProjectID, name, &gce.GlobalSetLabelsRequest{
		Labels: merged(img.Labels, c.runLabels(env, time.Now())), LabelFingerprint: img.LabelFingerprint,
	}).Context(ctx).Do()
	if err == nil {
		err = c.api.Wait(ctx, op)
	}
	if err != nil {
		return nil, err
	}
	return c.api.Image(ctx, c.ImageProjectID, name)
}

// describe sets the family and the description.
func (c *cloud) describe(ctx context.Context, img *gce.Image) (*gce.Operation, error) {
	if img.Family == c.ImageFamily && img.Description == c.ImageDescription {
		return nil, nil
	}
	patch := &gce.Image{Family: c.ImageFamily, Description: c.ImageDescription, ForceSendFields: []string{"Family", "Description"}}
	return c.api.Compute.Images.Patch(c.ImageProjectID, img.Name, patch).RequestId(gcp.RequestID()).Context(ctx).Do()
}

// setLabels sets the labels of the options. Of ours, those stay that say where
// the image is from, without its expiry.
func (c *cloud) setLabels(ctx context.Context, img *gce.Image) (*gce.Operation, error) {
	labels := maps.Clone(c.ImageLabels)
	if labels == nil {
		labels = map[string]string{}
	}
	for _, name := range []string{runLabel, buildLabel, userLabel} {
		if v, ok := img.Labels[name]; ok {
			labels[name] = v
		}
	}
	if maps.Equal(labels, img.Labels) {
		return nil, nil
	}
	return c.api.Compute.Images.SetLabels(c.ImageProjectID, img.Name, &gce.GlobalSetLabelsRequest{
		Labels: labels, LabelFingerprint: img.LabelFingerprint, ForceSendFields: []string{"Labels"},
	}).Context(ctx).Do()
}

// deprecate sets the times. The image stays active until someone acts on them:
// https://cloud.google.com/compute/docs/images/image-management-best-practices
func (c *cloud) deprecate(ctx context.Context, img *gce.Image) (*gce.Operation, error) {
	want := &gce.DeprecationStatus{State: "ACTIVE", Deprecated: c.DeprecateAt, Obsolete: c.ObsoleteAt, Deleted: c.DeleteAt}
	have := img.Deprecated
	if have == nil {
		have = &gce.DeprecationStatus{State: "ACTIVE"}
	}
	if have.Deprecated == want.Deprecated && have.Obsolete == want.Obsolete && have.Deleted == want.Deleted {
		return nil, nil
	}
	return c.api.Compute.Images.Deprecate(c.ImageProjectID, img.Name, want).RequestId(gcp.RequestID()).Context(ctx).Do()
}
