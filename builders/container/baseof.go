package container

import (
	"context"
	"errors"
	"fmt"

	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
)

// committing makes images that are kept, and that sessions can begin from.
type committing struct{ *builder }

// NoImage finds nothing wrong.
func (committing) NoImage() error { return nil }

// NoImage says that the image is not kept where others find it.
func (b *builder) NoImage() error {
	return builders.WithHint(errors.New("its image is not kept"), "set commit = true in its source")
}

// BaseOf returns base with the artifact's image in place of its own.
func (b committing) BaseOf(a artifact.Artifact, base builders.Base) (builders.Base, error) {
	if a.Image == nil {
		return base, errors.New("it holds no image of a container")
	}
	base.From = &a
	return base, nil
}

// bakedSource is an image that a build made, in the layout that the registry
// keeps on this host.
type bakedSource struct{ *builder }

func (b *bakedSource) resolve(context.Context) (builders.Base, error) {
	return builders.Base{}, errors.New("an image that was built is not looked up")
}

func (b *bakedSource) begin(ctx context.Context, base builders.Base, _ builders.Env) (origin, error) {
	store, err := local.NewStore(b.host.Layout)
	if err != nil {
		return nil, err
	}
	info, err := store.Info(ctx, digest.Digest(base.From.Image.Digest))
	if err != nil {
		return nil, fmt.Errorf("image %s: %w", base.From.Image.Digest, err)
	}
	return &layoutOrigin{store: store, manifest: ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: info.Digest, Size: info.Size,
	}}, nil
}

// sourceOf is where a session that begins with base gets it from.
func (b *builder) sourceOf(base builders.Base) source {
	if base.From != nil {
		return &bakedSource{b}
	}
	return b.source
}
