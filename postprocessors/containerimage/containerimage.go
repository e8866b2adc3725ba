// Package containerimage is what the docker post-processors share: the image
// of an artifact, and its names.
package containerimage

import (
	"errors"
	"fmt"

	"github.com/distribution/reference"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/postprocessors"
)

// Of returns the image of the artifact.
func Of(in postprocessors.Input) (artifact.Image, error) {
	if in.Artifact.Image == nil {
		return artifact.Image{}, builders.WithHint(errors.New("the artifact is not a container's image"),
			"it takes what the builder \"docker\" makes with commit = true, or docker-import of an exported file")
	}
	return *in.Artifact.Image, nil
}

// Descriptor returns the descriptor of an image's manifest.
func Descriptor(img artifact.Image) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: img.MediaType, Digest: digest.Digest(img.Digest), Size: img.Size}
}

// Name parses "repository:tag" as Docker reads it: without a registry it is of
// docker.io, without a tag it is "latest".
func Name(text string) (reference.NamedTagged, error) {
	named, err := reference.ParseNormalizedNamed(text)
	if err != nil {
		return nil, fmt.Errorf("%q is not a name of an image: %w", text, err)
	}
	tagged, ok := reference.TagNameOnly(named).(reference.NamedTagged)
	if !ok {
		return nil, fmt.Errorf("%q has a digest, where a tag is needed", text)
	}
	return tagged, nil
}
