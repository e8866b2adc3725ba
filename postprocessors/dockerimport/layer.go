package dockerimport

import (
	"archive/tar"
	"bufio"
	"bytes"
	"compress/bzip2"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/klauspost/pgzip"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/hostfile"
)

// layer is a file system as a blob.
type layer struct {
	blob   ocispec.Descriptor
	diffID digest.Digest // of the tar
	newest time.Time     // the latest change of one of its files
}

// writeLayer writes the tar as a compressed blob.
func writeLayer(ctx context.Context, dir, path string) (layer, error) {
	in, err := os.Open(path)
	if err != nil {
		return layer{}, err
	}
	defer in.Close()
	raw, err := unpacked(bufio.NewReaderSize(hostfile.Reader(ctx, in), 1<<20))
	if err != nil {
		return layer{}, err
	}
	out, err := os.CreateTemp(dir, "layer-*")
	if err != nil {
		return layer{}, err
	}
	l, err := pack(raw, out)
	if err := errors.Join(err, out.Close()); err != nil {
		return l, err
	}
	return l, place(dir, out.Name(), l.blob.Digest)
}

// unpacked returns what is compressed in the tar's file.
func unpacked(r *bufio.Reader) (io.Reader, error) {
	head, err := r.Peek(6)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	is := func(magic string) bool { return bytes.HasPrefix(head, []byte(magic)) }
	switch {
	case is("\x1f\x8b"):
		return gzip.NewReader(r)
	case is("\xfd7zXZ\x00"):
		return xz.NewReader(r)
	case is("BZh"):
		return bzip2.NewReader(r), nil
	case is("\x28\xb5\x2f\xfd"):
		return zstd.NewReader(r, zstd.WithDecoderConcurrency(1))
	case is("\x04\x22\x4d\x18"):
		return lz4.NewReader(r), nil
	}
	return r, nil
}

// pack compresses a tar, and looks at it on the way.
func pack(raw io.Reader, out io.Writer) (layer, error) {
	l := layer{blob: ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayerGzip}}
	blob, diff := digest.SHA256.Digester(), digest.SHA256.Digester()
	size := &counter{}
	zip := pgzip.NewWriter(io.MultiWriter(out, blob.Hash(), size))
	body := io.TeeReader(raw, io.MultiWriter(zip, diff.Hash()))
	err := l.look(body)
	if err == nil {
		_, err = io.Copy(io.Discard, body) // what is after the end of the tar
	}
	if cerr := zip.Close(); err == nil {
		err = cerr
	}
	l.blob.Digest, l.blob.Size, l.diffID = blob.Digest(), size.n, diff.Digest()
	return l, err
}

// look reads the tar, and refuses what is not a file system.
func (l *layer) look(body io.Reader) error {
	r := tar.NewReader(body)
	for n := 0; ; n++ {
		head, err := r.Next()
		switch {
		case errors.Is(err, io.EOF) && n > 0:
			return nil
		case errors.Is(err, io.EOF), errors.Is(err, tar.ErrHeader):
			return builders.WithHint(errors.New("it is not a tar"), `it takes a tar of a file system, as the builder "docker" makes with export_path`)
		case err != nil:
			return fmt.Errorf("read the tar: %w", err)
		case head.Name == ocispec.ImageLayoutFile:
			return builders.WithHint(errors.New("it is an archive of an image, not of a file system"), `docker load reads it; with export_format = "rootfs" docker makes what is imported`)
		}
		if head.ModTime.After(l.newest) {
			l.newest = head.ModTime
		}
	}
}

// counter counts bytes.
type counter struct{ n int64 }

func (c *counter) Write(p []byte) (int, error) {
	c.n += int64(len(p))
	return len(p), nil
}
