package google

import (
	"context"
	"errors"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
)

// SourceOf returns the partial URL of an image, which source_image takes.
func (b *builder) SourceOf(_ context.Context, a artifact.Artifact) (string, error) {
	if len(a.Places) == 0 {
		return "", errSkipped
	}
	return "projects/" + a.Places[0].Name + "/global/images/" + a.Places[0].ID, nil
}

// Follows refuses nothing: images are everywhere.
func (b *builder) Follows(context.Context, builders.Builder, bool) error { return nil }

// errSkipped is that of a build that makes no image.
var errSkipped = builders.WithHint(errors.New("it makes no image"), "remove skip_create_image from its source")

// NoImage says that skip_create_image is set.
func (b *builder) NoImage() error {
	if b.cloud.SkipCreateImage {
		return errSkipped
	}
	return nil
}
