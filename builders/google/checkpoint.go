package google

import (
	"errors"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
)

// BaseOf returns base with an image that a build made in place of its image.
func (b *builder) BaseOf(a artifact.Artifact, base builders.Base) (builders.Base, error) {
	if a.Builder != Type || len(a.Places) == 0 {
		return base, errors.New("no image was made that an instance can begin from")
	}
	base.From = &a
	return base, nil
}
