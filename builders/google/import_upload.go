package google

import (
	"archive/tar"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/pgzip"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/storage/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/journal"
)

// objectKind is an object of Cloud Storage in a journal; its name is
// "bucket/object".
const objectKind = "object"

// rawName is the file in the archive of a disk, and grain what its size must be a
// multiple of: https://cloud.google.com/compute/docs/import/import-existing-image
const (
	rawName = "disk.raw"
	grain   = 1 << 30
)

// upload puts the disk into the bucket. When it fails, nothing is there.
func (m *importing) upload(ctx context.Context) (*journal.Entry, error) {
	f, err := os.Open(m.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	content := io.ReadCloser(f)
	if !m.Packed {
		content = packed(f)
		defer content.Close()
	}
	m.env.Log.Say(fmt.Sprintf("Uploading %s to gs://%s/%s", filepath.Base(m.File), m.Bucket, m.Object))
	entry, err := m.intend(objectKind, m.Bucket+"/"+m.Object, "")
	if err != nil {
		return nil, err
	}
	if err := m.put(ctx, content); err != nil {
		err = fmt.Errorf("upload to gs://%s/%s: %w", m.Bucket, m.Object, bucketHint(m.Bucket, err))
		if gcp.IsForbidden(err) || gcp.IsNotFound(err) {
			return nil, errors.Join(err, entry.Gone())
		}
		return nil, errors.Join(err, m.removeUpload(ctx, entry))
	}
	return entry, entry.Made(m.Bucket + "/" + m.Object)
}

// put sends the content in parts, each of which is sent again when it is lost.
func (m *importing) put(ctx context.Context, content io.Reader) error {
	const kind = "application/gzip"
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	o, err := m.api.Storage.Objects.Insert(m.Bucket, &storage.Object{Name: m.Object, ContentType: kind, Metadata: m.marks}).
		Media(hostfile.Reader(ctx, io.TeeReader(content, sum)), googleapi.ContentType(kind)).Context(ctx).Do()
	if err != nil {
		return err
	}
	if want := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, sum.Sum32())); o.Crc32c != want {
		return fmt.Errorf("the object has the CRC32C %s, and not %s", o.Crc32c, want)
	}
	return nil
}

// bucketHint explains an error about a bucket.
func bucketHint(bucket string, err error) error {
	var api *googleapi.Error
	if errors.As(err, &api) && api.Code == http.StatusNotFound {
		return builders.WithHint(gcp.Explain(err), "make the bucket with: gcloud storage buckets create gs://"+bucket)
	}
	return gcp.Explain(err)
}

// removeUpload removes the object, also after ctx has ended. One of that name
// that this run did not make stays.
func (m *importing) removeUpload(ctx context.Context, entry *journal.Entry) error {
	ctx, cancel := machine.Outlive(ctx)
	defer cancel()
	o, err := m.api.Storage.Objects.Get(m.Bucket, m.Object).Context(ctx).Do()
	if err == nil && o.Metadata[runLabel] == m.marks[runLabel] {
		err = removeObject(ctx, m.api, m.Bucket+"/"+m.Object)
	}
	if err != nil && !gcp.IsNotFound(err) {
		return fmt.Errorf("remove gs://%s/%s: %w", m.Bucket, m.Object, gcp.Explain(err))
	}
	return entry.Gone()
}

// removeObject removes "bucket/object". It may be gone.
func removeObject(ctx context.Context, api *gcp.Client, name string) error {
	bucket, key, err := cutObject(name)
	if err == nil {
		err = api.Storage.Objects.Delete(bucket, key).Context(ctx).Do()
	}
	if gcp.IsNotFound(err) {
		return nil
	}
	return err
}

// packed is a disk as Compute Engine takes it: a tar of one file, compressed, of
// a size that is a multiple of a gigabyte. It is made while it is read.
func packed(disk *os.File) io.ReadCloser {
	r, w := io.Pipe()
	go func() { w.CloseWithError(pack(w, disk)) }()
	return r
}

func pack(w io.Writer, disk *os.File) error {
	info, err := disk.Stat()
	if err != nil {
		return err
	}
	size := (info.Size() + grain - 1) / grain * grain
	z, err := pgzip.NewWriterLevel(w, pgzip.BestSpeed)
	if err != nil {
		return err
	}
	t := tar.NewWriter(z)
	if err := t.WriteHeader(rawHeader(size)); err != nil {
		return err
	}
	if _, err := io.Copy(t, disk); err != nil {
		return err
	}
	if _, err := io.CopyN(t, zeros{}, size-info.Size()); err != nil {
		return err
	}
	return errors.Join(t.Close(), z.Close())
}

// rawHeader is the header of a disk of some bytes in its archive.
func rawHeader(size int64) *tar.Header {
	return &tar.Header{Name: rawName, Mode: 0o644, Size: size, Format: tar.FormatGNU}
}

// zeros has no end.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// cutObject takes "bucket/object" apart.
func cutObject(name string) (bucket, key string, err error) {
	bucket, key, _ = strings.Cut(name, "/")
	if bucket == "" || key == "" {
		return "", "", fmt.Errorf("%q is not the name of a bucket and of an object in it", name)
	}
	return bucket, key, nil
}
