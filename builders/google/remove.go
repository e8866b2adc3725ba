package google

import (
	"context"
	"fmt"

	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/artifact"
)

// Remove deletes the image in all its projects. Another one that has the name
// by now stays.
func (b *builder) Remove(ctx context.Context, a artifact.Artifact, checkpoint bool) error {
	for _, p := range a.Places {
		img, err := b.cloud.api.Image(ctx, p.Name, p.ID)
		if err != nil {
			return fmt.Errorf("look for the image %s: %w", p.ID, gcp.Explain(err))
		}
		id := a.Labels[idLabel]
		if img == nil || checkpoint && img.Labels[checkpointLabel] == "" || p == a.Places[0] && id != "" && id != fmt.Sprint(img.Id) {
			continue
		}
		op, err := b.cloud.api.Compute.Images.Delete(p.Name, p.ID).RequestId(gcp.RequestID()).Context(ctx).Do()
		if err == nil {
			err = b.cloud.api.Wait(ctx, op)
		}
		if err != nil && !gcp.IsNotFound(err) {
			return fmt.Errorf("delete the image %s: %w", p.ID, gcp.Explain(err))
		}
	}
	return nil
}
