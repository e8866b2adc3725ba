package dockersave

import (
	"context"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layout reads blobs of an OCI image layout, the folder that it is.
type layout string

// Info tells nothing but the digest: an archive needs no more.
func (layout) Info(_ context.Context, d digest.Digest) (content.Info, error) {
	return content.Info{Digest: d}, d.Validate()
}

// ReaderAt opens a blob.
func (l layout) ReaderAt(_ context.Context, desc ocispec.Descriptor) (content.ReaderAt, error) {
	if err := desc.Digest.Validate(); err != nil {
		return nil, err
	}
	f, err := os.Open(filepath.Join(string(l), ocispec.ImageBlobsDir, desc.Digest.Algorithm().String(), desc.Digest.Encoded()))
	if err != nil {
		return nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return blob{f, st.Size()}, nil
}

type blob struct {
	*os.File
	size int64
}

// Size returns the blob's size in bytes.
func (b blob) Size() int64 { return b.size }
