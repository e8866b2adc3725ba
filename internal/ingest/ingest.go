// Package ingest is where blobs of an OCI image layout are while they are being
// written, by several processes at once.
package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/uuid"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

const (
	folderName = "ingest" // in a layout, what holds the folders of unfinished blobs
	lockName   = "lock"   // in each of these
)

// lockRetry is how often a lock that another process holds is asked for again.
const lockRetry = 10 * time.Millisecond

// Folder is a folder for unfinished blobs, from where they move to those of the
// layout, which it has beside them.
type Folder struct {
	Dir    string
	layout string
	lock   *flock.Flock // held as long as the folder is in use
}

// Open makes a folder in a layout, and the layout where there is none. It
// removes the folders of processes that were killed.
func Open(ctx context.Context, layout string) (*Folder, error) {
	if err := os.MkdirAll(layout, 0o755); err != nil {
		return nil, err
	}
	if err := mark(layout); err != nil {
		return nil, err
	}
	f := &Folder{layout: layout, Dir: filepath.Join(layout, folderName, uuid.NewString())}
	f.lock = flock.New(filepath.Join(f.Dir, lockName))
	return f, whileLocked(ctx, layout, f.make)
}

func (f *Folder) make() error {
	folders, _ := filepath.Glob(filepath.Join(filepath.Dir(f.Dir), "*"))
	for _, dir := range folders {
		lock := flock.New(filepath.Join(dir, lockName))
		if free, err := lock.TryLock(); err == nil && free {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
	for _, dir := range []string{f.Dir, filepath.Join(f.layout, ocispec.ImageBlobsDir)} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if _, err := f.lock.TryLock(); err != nil {
		return err
	}
	return os.Symlink(filepath.Join("..", "..", ocispec.ImageBlobsDir), filepath.Join(f.Dir, ocispec.ImageBlobsDir))
}

// Close removes the folder, and the one around it where it was the last.
func (f *Folder) Close() error {
	return whileLocked(context.Background(), f.layout, func() error {
		err := errors.Join(os.RemoveAll(f.Dir), f.lock.Close())
		_ = os.Remove(filepath.Dir(f.Dir))
		return err
	})
}

// whileLocked runs f while no other process does so with the same layout.
func whileLocked(ctx context.Context, layout string, f func() error) error {
	lock := flock.New(filepath.Join(layout, ocispec.ImageLayoutFile))
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return errors.Join(err, lock.Close())
	}
	return errors.Join(f(), lock.Close())
}

// mark writes the file that makes a folder an OCI layout.
func mark(dir string) error {
	text, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, ocispec.ImageLayoutFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}
