// Package registry keeps what builds make: records by key, versions and the
// channels that point to them, as OCI content in a layout folder of this host
// or in any OCI registry.
//
// A bucket is a repository. In it a version is an image index tagged with the
// version's name, a record is a small manifest tagged by its key, a channel is
// a tag that moves, and each of its moves is a small manifest of its own. Blobs
// are written first and tags last, so nothing half-written is ever seen.
package registry

import (
	"context"
	"path/filepath"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
)

// DefaultLayout is the layout folder of a registry without an address.
const DefaultLayout = ".ingot/registry"

// Registry is a place where versions are kept. Its methods may be called from
// several goroutines, and several processes may use one place at once.
type Registry struct {
	address string
	layout  *layout // holds image blobs; the store itself where there is no remote
	store   store
}

// store is a place that holds buckets.
type store interface {
	bucket(name string) (repository, error)
	buckets(ctx context.Context) ([]string, error)
	// bucketsWith lists the buckets that may have tags with a prefix.
	bucketsWith(ctx context.Context, prefix string) ([]string, error)
}

// repository is one bucket. Fetch, Resolve and the like return an error with
// errdef.ErrNotFound in its chain for what is not there.
type repository interface {
	content.Storage
	Resolve(ctx context.Context, tag string) (ocispec.Descriptor, error)
	// name gives content that is there one more name, or moves the name.
	name(ctx context.Context, desc ocispec.Descriptor, tag string) error
	// claim names content unless the name is taken: then it returns what holds it.
	claim(ctx context.Context, desc ocispec.Descriptor, tag string) (*ocispec.Descriptor, error)
	// move records a move and names its target; a local layout does both at once.
	move(ctx context.Context, record, target ocispec.Descriptor, log, tag string) error
	// tags lists the names there are, but those of records. What a layout
	// resolves them to has annotations; a registry's descriptors have none.
	tags(ctx context.Context) ([]string, error)
	// forget takes a name away, of content that has no other. A name that is not
	// there is no error.
	forget(ctx context.Context, tag string) error
	// newest returns the version that was published last, without reading all.
	newest(ctx context.Context) (ocispec.Descriptor, bool, error)
	// lease makes the caller the only one that works on a key; see Registry.Lease.
	lease(ctx context.Context, k key.Key, holder string, waiting func(holder string)) (release func(), err error)
	// whole reports whether an image is there with all that it needs.
	whole(ctx context.Context, image ocispec.Descriptor) (bool, error)
	// take copies an image and all it needs from a layout.
	take(ctx context.Context, from *layout, image ocispec.Descriptor) error
}

// Open returns the registry at address. An empty address is the layout folder
// itself, "oci:DIR" or a path another one, and HOST[:PORT][/PREFIX] an OCI
// registry; layout then holds image blobs until they are pushed. Open makes
// nothing and talks to nobody.
func Open(address, layout string) (*Registry, error) {
	if layout == "" {
		layout = DefaultLayout
	}
	at, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	folder := layout
	if at.host == "" && at.dir != "" {
		folder = at.dir
	}
	abs, err := filepath.Abs(folder)
	if err != nil {
		return nil, &Error{Op: folder, Err: err}
	}
	r := &Registry{address: folder, layout: newLayout(abs)}
	r.store = r.layout
	if at.host != "" {
		r.address = at.String()
		r.store, err = newRemote(at)
	}
	return r, err
}

// Address returns where the registry is, as a person would write it.
func (r *Registry) Address() string { return r.address }

// Layout returns the folder of the OCI layout that image blobs go to. It may
// not exist yet.
func (r *Registry) Layout() string { return r.layout.dir }

// Remote reports whether versions are kept in a registry on a network.
func (r *Registry) Remote() bool { return r.store != store(r.layout) }

// Reference returns what a container client pulls a version or a channel by,
// "" for a layout folder.
func (r *Registry) Reference(bucket, name string) string {
	if !r.Remote() {
		return ""
	}
	return r.address + "/" + bucket + ":" + name
}

// Image returns what a container's image is called where another build begins
// with it: a reference, or, in a layout folder, DIR@DIGEST.
func (r *Registry) Image(bucket string, img artifact.Image) string {
	if !r.Remote() {
		return r.layout.dir + "@" + img.Digest
	}
	return r.address + "/" + bucket + "@" + img.Digest
}

// Buckets lists the buckets, sorted.
func (r *Registry) Buckets(ctx context.Context) ([]string, error) {
	list, err := r.store.buckets(ctx)
	return list, r.explain("list buckets", err)
}

func (r *Registry) repository(bucket string) (repository, error) {
	if err := ValidBucket(bucket); err != nil {
		return nil, err
	}
	return r.store.bucket(bucket)
}
