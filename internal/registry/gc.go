package registry

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
)

// GC removes from the layout folder what no version, channel or record leads
// to and nobody used for the time of grace, and returns how many bytes that
// freed. Images that are being built have no name yet: the grace must be longer
// than a build. Where versions are in a registry, the folder has only copies of
// images, and GC removes those.
func (r *Registry) GC(ctx context.Context, grace time.Duration) (freed int64, err error) {
	l := r.layout
	if _, err := os.Stat(l.dir); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	err = l.update(ctx, func(ix *index) (bool, error) {
		m := &marker{from: l, used: map[digest.Digest]bool{}}
		for _, e := range ix.entries {
			desc, err := e.descriptor()
			if err != nil {
				return false, err
			}
			if err := m.mark(ctx, desc); err != nil {
				return false, err
			}
		}
		freed, err = l.sweep(ctx, m.used, time.Now().Add(-grace))
		return false, err
	})
	return freed, r.explain("collect garbage", err)
}

// marker collects what names lead to.
type marker struct {
	from *layout
	used map[digest.Digest]bool
}

func (m *marker) mark(ctx context.Context, desc ocispec.Descriptor) error {
	// One image may be listed several times, each time with another record.
	size, _ := strconv.ParseInt(desc.Annotations[annRecordSize], 10, 64)
	if rec, ok := descriptor(desc.Annotations[annRecord], size); ok {
		if err := m.mark(ctx, rec); err != nil {
			return err
		}
	}
	if m.used[desc.Digest] {
		return nil
	}
	m.used[desc.Digest] = true
	if !isManifest(desc.MediaType) {
		return ctx.Err()
	}
	children, err := content.Successors(ctx, limited{m.from}, desc)
	if errors.Is(err, errdef.ErrNotFound) {
		return nil
	}
	if err != nil {
		return &corruptError{string(desc.Digest), err}
	}
	for _, c := range children {
		if err := m.mark(ctx, c); err != nil {
			return err
		}
	}
	return nil
}

// sweep removes the blobs, and the unfinished ones that builders left, which
// are not used and older than the time.
func (l *layout) sweep(ctx context.Context, used map[digest.Digest]bool, before time.Time) (freed int64, err error) {
	root := filepath.Join(l.dir, ocispec.ImageBlobsDir)
	err = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		algorithm := filepath.Base(filepath.Dir(path))
		info, err := d.Info()
		if err != nil || used[digest.Digest(algorithm+":"+d.Name())] || info.ModTime().After(before) {
			return err
		}
		if err := os.Remove(path); err != nil {
			return err
		}
		freed += info.Size()
		return ctx.Err()
	})
	if err != nil {
		return freed, err
	}
	n, err := l.sweepIngest(before)
	return freed + n, err
}

// sweepIngest removes downloads that a killed builder left: containerd's
// content store keeps each in a folder of its own.
func (l *layout) sweepIngest(before time.Time) (freed int64, err error) {
	root := filepath.Join(l.dir, "ingest")
	dirs, err := os.ReadDir(root)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, d := range dirs {
		dir := filepath.Join(root, d.Name())
		newest, size := time.Time{}, int64(0)
		walk := func(_ string, f fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			info, err := f.Info()
			if err != nil {
				return err
			}
			size += info.Size()
			if info.ModTime().After(newest) {
				newest = info.ModTime()
			}
			return nil
		}
		if filepath.WalkDir(dir, walk) != nil || newest.After(before) {
			continue // being written
		}
		if err := os.RemoveAll(dir); err != nil {
			return freed, err
		}
		freed += size
	}
	return freed, err
}
