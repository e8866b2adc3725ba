package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
)

// layout is an OCI image layout folder that several processes use at once.
// Names of index.json are "BUCKET:TAG".
type layout struct {
	dir string

	mu     sync.Mutex
	cached *index
	seen   os.FileInfo // of the index.json that cached was read from

	queue queue
}

func newLayout(dir string) *layout { return &layout{dir: dir, queue: newQueue()} }

func (l *layout) indexPath() string { return filepath.Join(l.dir, ocispec.ImageIndexFile) }

// bucket returns the part of the layout that is one bucket.
func (l *layout) bucket(name string) (repository, error) { return &layoutBucket{l, name}, nil }

// buckets lists the buckets that have a version.
func (l *layout) buckets(context.Context) ([]string, error) {
	ix, err := l.read()
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, e := range ix.entries {
		bucket, tag, ok := strings.Cut(e.name, ":")
		if ok && !found[bucket] && reservedPrefix(tag) == "" && ValidBucket(bucket) == nil {
			found[bucket] = true
		}
	}
	return sorted(found), nil
}

// bucketsWith lists the buckets that have tags with a prefix.
func (l *layout) bucketsWith(_ context.Context, prefix string) ([]string, error) {
	ix, err := l.read()
	if err != nil {
		return nil, err
	}
	found := map[string]bool{}
	for _, e := range ix.entries {
		if bucket, tag, ok := strings.Cut(e.name, ":"); ok && strings.HasPrefix(tag, prefix) {
			found[bucket] = true
		}
	}
	return sorted(found), nil
}

// read returns the index as it is now. A layout that is not there is empty.
func (l *layout) read() (*index, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	st, err := os.Stat(l.indexPath())
	if errors.Is(err, fs.ErrNotExist) {
		return &index{}, nil
	}
	if err != nil {
		return nil, err
	}
	if l.seen != nil && os.SameFile(st, l.seen) && st.ModTime().Equal(l.seen.ModTime()) && st.Size() == l.seen.Size() {
		return l.cached, nil
	}
	data, err := os.ReadFile(l.indexPath())
	if err != nil {
		return nil, err
	}
	ix, err := parseIndex(data)
	if err != nil {
		return nil, &corruptError{l.indexPath(), err}
	}
	l.cached, l.seen = ix, st
	return ix, nil
}

// writeMarker writes the file that makes a folder an OCI layout.
func (l *layout) writeMarker() error {
	path := filepath.Join(l.dir, ocispec.ImageLayoutFile)
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	return replace(path, []byte(`{"imageLayoutVersion":"`+ocispec.ImageLayoutVersion+`"}`))
}

// replace writes a file so that it is old or new at any moment, also when the
// machine stops. Callers hold the lock, so the temporary name is theirs.
func replace(path string, data []byte) error {
	tmp := path + ".tmp"
	f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// layoutBucket is one bucket of a layout. All buckets share the blobs.
type layoutBucket struct {
	*layout
	prefix string
}

func (b *layoutBucket) full(tag string) string { return b.prefix + ":" + tag }

// Resolve returns what a tag stands for.
func (b *layoutBucket) Resolve(_ context.Context, tag string) (ocispec.Descriptor, error) {
	ix, err := b.read()
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	e, ok := ix.find(b.full(tag))
	if !ok {
		return ocispec.Descriptor{}, fmt.Errorf("%s: %w", b.full(tag), errdef.ErrNotFound)
	}
	return e.descriptor()
}

func (b *layoutBucket) name(ctx context.Context, desc ocispec.Descriptor, tag string) error {
	return b.update(ctx, func(ix *index) (bool, error) {
		if ok, err := b.Exists(ctx, desc); err != nil || !ok {
			return false, notThere(desc, err)
		}
		return true, ix.set(b.full(tag), desc)
	})
}

func (b *layoutBucket) forget(ctx context.Context, tag string) error {
	return b.update(ctx, func(ix *index) (bool, error) { return ix.remove(b.full(tag)), nil })
}

func (b *layoutBucket) claim(ctx context.Context, desc ocispec.Descriptor, tag string) (taken *ocispec.Descriptor, err error) {
	err = b.update(ctx, func(ix *index) (bool, error) {
		if e, ok := ix.find(b.full(tag)); ok {
			there, err := e.descriptor()
			taken = &there
			return false, err
		}
		// A collection may have run since the blobs were written.
		if ok, err := b.whole(ctx, desc); err != nil || !ok {
			return false, notThere(desc, err)
		}
		return true, ix.set(b.full(tag), desc)
	})
	return taken, err
}

func (b *layoutBucket) move(ctx context.Context, record, target ocispec.Descriptor, log, tag string) error {
	return b.update(ctx, func(ix *index) (bool, error) {
		if e, ok := ix.find(b.full(tag)); ok {
			if there, err := e.descriptor(); err != nil || isVersion(there, tag) {
				return false, cmp.Or(err, versionNotChannel(tag))
			}
		}
		if err := ix.set(b.full(log), record); err != nil {
			return false, err
		}
		return true, ix.set(b.full(tag), target)
	})
}

func (b *layoutBucket) tags(context.Context) ([]string, error) {
	ix, err := b.read()
	if err != nil {
		return nil, err
	}
	var list []string
	for _, e := range ix.entries {
		if tag, ok := strings.CutPrefix(e.name, b.full("")); ok && !strings.HasPrefix(tag, keyPrefix) {
			list = append(list, tag)
		}
	}
	return list, nil
}

// newest relies on new names being added at the end of the index.
func (b *layoutBucket) newest(context.Context) (ocispec.Descriptor, bool, error) {
	ix, err := b.read()
	if err != nil {
		return ocispec.Descriptor{}, false, err
	}
	for _, e := range slices.Backward(ix.entries) {
		tag, ok := strings.CutPrefix(e.name, b.full(""))
		if !ok || reservedPrefix(tag) != "" {
			continue
		}
		desc, err := e.descriptor()
		if err != nil || isVersion(desc, tag) {
			return desc, err == nil, err
		}
	}
	return ocispec.Descriptor{}, false, nil
}

func notThere(desc ocispec.Descriptor, err error) error {
	if err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", desc.Digest, errdef.ErrNotFound)
}
