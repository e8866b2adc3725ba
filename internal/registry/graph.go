package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
)

// errPlaced is what a function given to copyGraph returns when it has put the
// content in place itself.
var errPlaced = oras.SkipNode

// parallel is how many transfers with one registry run at once.
const parallel = 6

// copyGraph copies content and all that it points to. Before each piece that
// is missing, pre may put it in place by itself.
func copyGraph(ctx context.Context, from content.ReadOnlyStorage, to content.Storage, root ocispec.Descriptor, pre func(context.Context, ocispec.Descriptor) error) error {
	opts := oras.CopyGraphOptions{Concurrency: parallel, PreCopy: pre}
	err := oras.CopyGraph(ctx, from, to, root, opts)
	var failed *oras.CopyError
	var corrupt *corruptError
	if errors.As(err, &failed) {
		err = failed.Err
	}
	if err == nil || errors.As(err, &corrupt) {
		return err
	}
	return checked(root, err)
}

// limited is content whose manifests are refused when they are too large to be
// read into memory.
type limited struct{ content.Fetcher }

// Fetch opens content of at most the largest size.
func (l limited) Fetch(ctx context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	if desc.Size < 0 || desc.Size > largest {
		return nil, fmt.Errorf("%s: %d bytes is too large", desc.Digest, desc.Size)
	}
	return l.Fetcher.Fetch(ctx, desc)
}

// The media types of manifests and indexes that docker made before there were
// those of the image specification.
const (
	dockerManifest = "application/vnd.docker.distribution.manifest.v2+json"
	dockerList     = "application/vnd.docker.distribution.manifest.list.v2+json"
)

func isManifest(mediaType string) bool {
	return isIndex(mediaType) || slices.Contains([]string{ocispec.MediaTypeImageManifest, dockerManifest}, mediaType)
}

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == dockerList
}
