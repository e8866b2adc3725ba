package bootstrap

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/gofrs/flock"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/errdef"

	"github.com/ingot-build/ingot/internal/event"
)

// idAnnotation holds a base's id in its manifest.
const idAnnotation = "build.ingot.base"

// retry is how often a lock that another process holds is asked for again.
const retry = 100 * time.Millisecond

// Store keeps bases in an OCI image layout, the folder Dir. Several processes
// may use it at once.
type Store struct{ Dir string }

// Base is a base that the store has or can make.
type Base struct {
	ID      string
	Offline error // why the mirror was not asked; nil where it was
}

// Resolve says which base the spec means now. Where the mirror can't be
// reached it is the one that was made last from the same options. It changes
// nothing.
func (s Store) Resolve(ctx context.Context, spec Spec) (Base, error) {
	r, err := spec.release(ctx)
	if err == nil {
		return Base{ID: spec.id(r)}, nil
	}
	if !errors.Is(err, ErrOffline) || ctx.Err() != nil {
		return Base{}, err
	}
	desc, missing := s.find(ctx, spec.options())
	if missing != nil {
		return Base{}, err
	}
	manifest, missing := s.manifest(ctx, desc)
	if missing != nil {
		return Base{}, errors.Join(err, missing)
	}
	return Base{ID: manifest.Annotations[idAnnotation], Offline: err}, nil
}

// Get returns the manifest of the base id, which it makes from the spec where
// the store does not have it. Those who need the same one at once wait for the
// one who makes it.
func (s Store) Get(ctx context.Context, id string, spec Spec, log event.Log) (ocispec.Descriptor, error) {
	if desc, err := s.find(ctx, id); err == nil {
		return desc, nil
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return ocispec.Descriptor{}, err
	}
	lock := flock.New(filepath.Join(s.Dir, id+".lock"))
	if _, err := lock.TryLockContext(ctx, retry); err != nil {
		return ocispec.Descriptor{}, err
	}
	defer lock.Close()
	if desc, err := s.find(ctx, id); err == nil {
		return desc, nil
	}
	r, err := spec.release(ctx)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if spec.id(r) != id {
		return ocispec.Descriptor{}, fmt.Errorf("the mirror %s was updated since the build was planned; run it again", spec.Mirror)
	}
	return s.make(ctx, id, spec, r, log)
}

// Content returns the store's blobs.
func (s Store) Content() (content.Store, error) { return local.NewStore(s.Dir) }

// find returns the manifest that has the tag.
func (s Store) find(ctx context.Context, tag string) (ocispec.Descriptor, error) {
	if _, err := os.Stat(filepath.Join(s.Dir, ocispec.ImageIndexFile)); err != nil {
		return ocispec.Descriptor{}, errdef.ErrNotFound
	}
	layout, err := oci.NewFromFS(ctx, os.DirFS(s.Dir))
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	return layout.Resolve(ctx, tag)
}

func (s Store) manifest(ctx context.Context, desc ocispec.Descriptor) (ocispec.Manifest, error) {
	var m ocispec.Manifest
	blobs, err := s.Content()
	if err != nil {
		return m, err
	}
	text, err := content.ReadBlob(ctx, blobs, desc)
	if err != nil {
		return m, err
	}
	return m, json.Unmarshal(text, &m)
}

// tag names a manifest by its id, and by its options for when the mirror can't
// be reached.
func (s Store) tag(ctx context.Context, desc ocispec.Descriptor, tags ...string) error {
	lock := flock.New(filepath.Join(s.Dir, ocispec.ImageIndexFile+".lock"))
	if _, err := lock.TryLockContext(ctx, retry); err != nil {
		return err
	}
	defer lock.Close()
	layout, err := oci.NewWithContext(ctx, s.Dir)
	if err != nil {
		return err
	}
	for _, tag := range tags {
		if err := layout.Tag(ctx, desc, tag); err != nil {
			return err
		}
	}
	return nil
}

// write stores a value as JSON.
func write(ctx context.Context, blobs content.Store, mediaType string, v any) (ocispec.Descriptor, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	return desc, content.WriteBlob(ctx, blobs, desc.Digest.String(), bytes.NewReader(text), desc)
}
