package bootstrap

import (
	"context"
	"crypto/sha256"
	"io"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/errdefs"
	"github.com/klauspost/compress/gzip"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// layer is a compressed layer that is being written to a store.
type layer struct {
	blobs content.Store
	ref   string
	w     content.Writer
	size  int64         // bytes written
	diff  digest.Digest // of what was compressed
}

// openLayer starts a layer. ref names the attempt: what an earlier one under
// the same name left is dropped.
func openLayer(ctx context.Context, blobs content.Store, ref string) (*layer, error) {
	_ = blobs.Abort(ctx, ref)
	w, err := content.OpenWriter(ctx, blobs, content.WithRef(ref))
	return &layer{blobs: blobs, ref: ref, w: w}, err
}

// Write writes compressed bytes.
func (l *layer) Write(p []byte) (int, error) {
	n, err := l.w.Write(p)
	l.size += int64(n)
	return n, err
}

// compress writes all of r.
func (l *layer) compress(r io.Reader) error {
	zip, err := gzip.NewWriterLevel(l, gzip.BestSpeed)
	if err != nil {
		return err
	}
	sum := sha256.New()
	if _, err := io.Copy(io.MultiWriter(sum, zip), r); err != nil {
		return err
	}
	l.diff = digest.NewDigest(digest.SHA256, sum)
	return zip.Close()
}

// commit keeps the layer.
func (l *layer) commit(ctx context.Context) (ocispec.Descriptor, error) {
	desc := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip, Digest: l.w.Digest(), Size: l.size}
	if err := l.w.Commit(ctx, desc.Size, desc.Digest); err != nil && !errdefs.IsAlreadyExists(err) {
		return ocispec.Descriptor{}, err
	}
	return desc, nil
}

// abort drops the layer unless it was committed.
func (l *layer) abort() {
	_ = l.w.Close()
	_ = l.blobs.Abort(context.Background(), l.ref)
}
