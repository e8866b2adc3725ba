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
		return "", builders.WithHint(errors.New("it made no image"), "remove skip_create_image from its source")
	}
	return "projects/" + a.Places[0].Name + "/global/images/" + a.Places[0].ID, nil
}
