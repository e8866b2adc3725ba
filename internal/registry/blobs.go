package registry

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
)

// retryLock is how often a lock that another process holds is tried again.
const retryLock = 5 * time.Millisecond

// fresh is the age below which a blob's time is not renewed when it is used.
const fresh = time.Hour

// blobPath returns the file of a blob. The digest is checked, so that what
// comes from outside never leads out of the folder.
func (l *layout) blobPath(d digest.Digest) (string, error) {
	if err := d.Validate(); err != nil {
		return "", fmt.Errorf("%q: %w", string(d), errdef.ErrInvalidDigest)
	}
	return filepath.Join(l.dir, ocispec.ImageBlobsDir, d.Algorithm().String(), d.Encoded()), nil
}

// Exists reports whether a blob of that size is there, and renews its time, so
// that GC leaves alone what somebody is about to name.
func (l *layout) Exists(_ context.Context, desc ocispec.Descriptor) (bool, error) {
	path, err := l.blobPath(desc.Digest)
	if err != nil {
		return false, err
	}
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if time.Since(st.ModTime()) > fresh {
		now := time.Now()
		_ = os.Chtimes(path, now, now) // a folder that can't be written is not collected either
	}
	return st.Mode().IsRegular() && st.Size() == desc.Size, nil
}

// Fetch opens a blob.
func (l *layout) Fetch(_ context.Context, desc ocispec.Descriptor) (io.ReadCloser, error) {
	path, err := l.blobPath(desc.Digest)
	if err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", desc.Digest, errdef.ErrNotFound)
	}
	return f, err
}

// Push writes a blob to a temporary file, checks it, and puts it in place.
func (l *layout) Push(ctx context.Context, desc ocispec.Descriptor, from io.Reader) error {
	return l.place(ctx, desc.Digest, func(tmp string) error {
		f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		verify := content.NewVerifyReader(from, desc)
		if _, err := io.Copy(f, verify); err != nil {
			return checked(desc, err)
		}
		if err := verify.Verify(); err != nil {
			return checked(desc, err)
		}
		if err := f.Sync(); err != nil {
			return err
		}
		return f.Close()
	})
}

// link puts a blob of another layout in place without copying its bytes, where
// both are on one file system.
func (l *layout) link(ctx context.Context, from *layout, desc ocispec.Descriptor) error {
	src, err := from.blobPath(desc.Digest)
	if err != nil {
		return err
	}
	f, err := os.Open(src)
	if err != nil {
		return err
	}
	defer f.Close()
	verify := content.NewVerifyReader(f, desc)
	if _, err := io.Copy(io.Discard, verify); err != nil {
		return err
	}
	if err := verify.Verify(); err != nil {
		return err
	}
	return l.place(ctx, desc.Digest, func(tmp string) error { return os.Link(src, tmp) })
}

// place lets write make a temporary file and moves it to the blob's place.
// While it does, it holds a shared lock on the folder of temporary files: who
// gets the lock alone knows that all files there were left by dead processes.
func (l *layout) place(ctx context.Context, d digest.Digest, write func(tmp string) error) error {
	path, err := l.blobPath(d)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.tmp(), 0o755); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	lock := flock.New(l.tmpLock())
	if _, err := lock.TryRLockContext(ctx, retryLock); err != nil {
		return err
	}
	defer lock.Close()
	tmp := filepath.Join(l.tmp(), d.Encoded()+"-"+token())
	if err := write(tmp); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return nil
}

func (l *layout) tmp() string     { return filepath.Join(l.dir, "tmp") }
func (l *layout) tmpLock() string { return filepath.Join(l.dir, "tmp.lock") }

// sweepTemporary removes what killed processes left half-written. It returns
// how many bytes that were. Where somebody is writing it leaves all alone.
func (l *layout) sweepTemporary() (freed int64) {
	files, err := os.ReadDir(l.tmp())
	if err != nil || len(files) == 0 {
		return 0
	}
	lock := flock.New(l.tmpLock())
	if got, err := lock.TryLock(); err != nil || !got {
		return 0
	}
	defer lock.Close()
	files, _ = os.ReadDir(l.tmp())
	for _, f := range files {
		if st, err := f.Info(); err == nil && os.Remove(filepath.Join(l.tmp(), f.Name())) == nil {
			freed += st.Size()
		}
	}
	return freed
}

// take copies an image of another layout: by hard links where it can. What is
// here already is not copied, and nothing is where both are one folder.
func (l *layout) take(ctx context.Context, from *layout, image ocispec.Descriptor) error {
	return copyGraph(ctx, from, l, image, func(ctx context.Context, desc ocispec.Descriptor) error {
		if err := l.link(ctx, from, desc); err != nil {
			return nil // other file system, or not whole: the copy tells
		}
		return errPlaced
	})
}

// whole reports whether every blob of an image is there.
func (l *layout) whole(ctx context.Context, image ocispec.Descriptor) (bool, error) {
	there, err := l.Exists(ctx, image)
	if err != nil || !there {
		return false, err
	}
	if !isManifest(image.MediaType) {
		return true, nil
	}
	children, err := content.Successors(ctx, limited{l}, image)
	if err != nil {
		return false, err
	}
	for _, c := range children {
		if ok, err := l.whole(ctx, c); err != nil || !ok {
			return false, err
		}
	}
	return true, nil
}

// damage returns an error about the first blob of an image that has another
// size than it should: builders take it for the blob, and don't make it anew.
func (l *layout) damage(ctx context.Context, image ocispec.Descriptor) error {
	path, err := l.blobPath(image.Digest)
	if err != nil {
		return err
	}
	if st, err := os.Stat(path); err == nil && st.Size() != image.Size {
		return &corruptError{string(image.Digest), fmt.Errorf("it has %d bytes, not %d", st.Size(), image.Size)}
	}
	if !isManifest(image.MediaType) {
		return nil
	}
	children, err := content.Successors(ctx, limited{l}, image)
	if err != nil {
		return nil // it is missing
	}
	for _, c := range children {
		if err := l.damage(ctx, c); err != nil {
			return err
		}
	}
	return nil
}
