package container

import (
	"context"
	"errors"
	"io/fs"
	"os"

	"github.com/ingot-build/ingot/internal/artifact"
)

// Remove removes the file of export_path. The blobs of an image are shared:
// they go when the registry is cleaned up, as no record leads to them any more.
func (b *builder) Remove(_ context.Context, a artifact.Artifact, _ bool) error {
	for _, f := range a.Files {
		if err := os.Remove(f.Path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
