package amazon

import (
	"context"
	"errors"

	"github.com/ingot-build/ingot/internal/artifact"
)

// Remove deregisters the image in all its regions, and deletes its snapshots
// there. It goes on after an error.
func (d distribution) Remove(ctx context.Context, a artifact.Artifact, checkpoint bool) error {
	errs := make([]error, len(a.Places))
	for i, p := range a.Places {
		r, err := d.from.access.Region(ctx, p.Name)
		if err != nil {
			errs[i] = err
			continue
		}
		img, ok, err := r.present(ctx, p.ID)
		if err == nil && ok && (!checkpoint || tagMap(img.Tags)[tagCheckpoint] != "") {
			err = r.removeImage(ctx, img, true)
		}
		errs[i] = err
	}
	return errors.Join(errs...)
}
