package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/platforms"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/bootstrap"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// layoutOrigin is an image in an OCI layout of this host.
type layoutOrigin struct {
	store    content.Store
	manifest ocispec.Descriptor
}

// layoutStore is what BuildKit calls the layout.
const layoutStore = "base"

func (o *layoutOrigin) stores() map[string]content.Store {
	return map[string]content.Store{layoutStore: o.store}
}

func (o *layoutOrigin) state(ctx context.Context, _ gateway.Client) (llb.State, []byte, error) {
	var m ocispec.Manifest
	text, err := content.ReadBlob(ctx, o.store, o.manifest)
	if err != nil {
		return llb.State{}, nil, err
	}
	if err := json.Unmarshal(text, &m); err != nil {
		return llb.State{}, nil, fmt.Errorf("manifest %s: %w", o.manifest.Digest, err)
	}
	config, err := content.ReadBlob(ctx, o.store, m.Config)
	if err != nil {
		return llb.State{}, nil, err
	}
	ref := "ingot.local/base@" + o.manifest.Digest.String()
	return llb.OCILayout(ref, llb.OCIStore("", layoutStore), llb.WithCustomName("load the base")), config, nil
}

// bootstrapSource makes the image from Debian packages.
type bootstrapSource struct {
	*builder
	offline error // why the mirror was not asked
}

func (b *bootstrapSource) spec() bootstrap.Spec {
	o := b.opts.Bootstrap
	return bootstrap.Spec{Suite: o.Suite, Mirror: o.Mirror, Variant: o.Variant, Components: o.Components,
		Packages: o.Packages, Arch: b.opts.platform.Architecture}
}

func (b *bootstrapSource) store() bootstrap.Store {
	return bootstrap.Store{Dir: filepath.Join(b.host.Cache, "bases")}
}

func (b *bootstrapSource) name() string {
	return fmt.Sprintf("bootstrap %s (%s)", b.opts.Bootstrap.Suite, b.opts.Bootstrap.Variant)
}

func (b *bootstrapSource) resolve(ctx context.Context) (builders.Base, error) {
	base, err := b.store().Resolve(ctx, b.spec())
	if err != nil {
		return builders.Base{}, fmt.Errorf("%s: %w", b.name(), err)
	}
	b.offline = base.Offline
	return builders.Base{ID: base.ID, Name: b.name(), Arch: b.opts.platform.Architecture}, nil
}

func (b *bootstrapSource) begin(ctx context.Context, base builders.Base, env builders.Env) (origin, error) {
	if b.offline != nil {
		env.Log.Warn(fmt.Sprintf("the base made last is used: %v", b.offline))
	}
	desc, err := b.store().Get(ctx, base.ID, b.spec(), env.Log)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", b.name(), err)
	}
	blobs, err := b.store().Content()
	return &layoutOrigin{store: blobs, manifest: desc}, err
}

// layoutSource is the option oci_layout.
type layoutSource struct{ *builder }

// place returns the layout's folder and the tag or digest, which may be "".
func (l *layoutSource) place() (dir, tag string) {
	dir = l.opts.OCILayout
	if name, sum, ok := strings.Cut(dir, "@"); ok && digestOf(sum).Validate() == nil {
		dir, tag = name, sum
	} else if i := strings.LastIndexByte(dir, ':'); i > strings.LastIndexByte(dir, '/') {
		dir, tag = dir[:i], dir[i+1:]
	}
	if !filepath.IsAbs(dir) {
		dir = filepath.Join(l.host.Dir, dir)
	}
	return dir, tag
}

func (l *layoutSource) resolve(context.Context) (builders.Base, error) {
	dir, tag := l.place()
	desc, err := l.find(dir, tag)
	if err != nil {
		return builders.Base{}, component.Errorf("oci_layout", "%v", err)
	}
	return builders.Base{
		ID: desc.Digest.String(), Name: l.opts.OCILayout, Arch: l.opts.platform.Architecture,
		Vars: map[string]secret.String{"build.SourceImageDigest": secret.Plain(desc.Digest.String())},
	}, nil
}

func (l *layoutSource) begin(ctx context.Context, base builders.Base, _ builders.Env) (origin, error) {
	dir, _ := l.place()
	store, err := local.NewStore(dir)
	if err != nil {
		return nil, err
	}
	info, err := store.Info(ctx, digest.Digest(base.ID))
	if err != nil {
		return nil, component.Errorf("oci_layout", "%s: %v", dir, err)
	}
	return &layoutOrigin{store: store, manifest: ocispec.Descriptor{
		MediaType: ocispec.MediaTypeImageManifest, Digest: info.Digest, Size: info.Size,
	}}, nil
}

// find returns the manifest of the tag or digest for the wanted platform.
func (l *layoutSource) find(dir, tag string) (ocispec.Descriptor, error) {
	if sum := digestOf(tag); sum.Validate() == nil {
		return byDigest(dir, sum, l.opts.platform)
	}
	var index ocispec.Index
	text, err := os.ReadFile(filepath.Join(dir, ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return ocispec.Descriptor{}, fmt.Errorf("%s is no OCI image layout: it has no %s", dir, ocispec.ImageIndexFile)
	}
	if err == nil {
		err = json.Unmarshal(text, &index)
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	var found []ocispec.Descriptor
	var names []string
	for _, m := range index.Manifests {
		name := m.Annotations[ocispec.AnnotationRefName]
		if name != "" {
			names = append(names, name)
		}
		if tag == "" || name == tag {
			found = append(found, m)
		}
	}
	switch {
	case len(found) == 0:
		return ocispec.Descriptor{}, fmt.Errorf("%s has no image tagged %q; it has %q", dir, tag, names)
	case len(found) > 1:
		return ocispec.Descriptor{}, fmt.Errorf("%s has %d images; name the tag, one of %q", dir, len(found), names)
	}
	return forPlatform(dir, found[0], l.opts.platform)
}

// byDigest needs no index: it reads the blob.
func byDigest(dir string, sum digest.Digest, want ocispec.Platform) (ocispec.Descriptor, error) {
	text, err := readBlob(dir, ocispec.Descriptor{Digest: sum})
	if errors.Is(err, fs.ErrNotExist) {
		return ocispec.Descriptor{}, fmt.Errorf("%s has no image %s", dir, sum)
	}
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := ocispec.Descriptor{Digest: sum, Size: int64(len(text))}
	var head struct {
		MediaType string `json:"mediaType"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return desc, fmt.Errorf("%s is no image: %w", sum, err)
	}
	if desc.MediaType = head.MediaType; isIndex(head.MediaType) {
		return pick(text, want)
	}
	return desc, nil
}

// forPlatform returns the manifest for a platform from an index, or the
// manifest itself.
func forPlatform(dir string, desc ocispec.Descriptor, want ocispec.Platform) (ocispec.Descriptor, error) {
	if !isIndex(desc.MediaType) {
		return desc, nil
	}
	text, err := readBlob(dir, desc)
	if err != nil {
		return desc, err
	}
	return pick(text, want)
}

// pick returns the manifest of an index that suits the platform best.
func pick(index []byte, want ocispec.Platform) (ocispec.Descriptor, error) {
	var idx ocispec.Index
	if err := json.Unmarshal(index, &idx); err != nil {
		return ocispec.Descriptor{}, err
	}
	var has []string
	var best *ocispec.Descriptor
	match := platforms.Only(want)
	for _, m := range idx.Manifests {
		if m.Platform == nil || m.Platform.OS == "unknown" {
			continue
		}
		has = append(has, platforms.Format(*m.Platform))
		if match.Match(*m.Platform) && (best == nil || match.Less(*m.Platform, *best.Platform)) {
			best = &m
		}
	}
	if best == nil {
		return ocispec.Descriptor{}, fmt.Errorf("there is no image for %s, only for %s", platforms.Format(want), strings.Join(has, ", "))
	}
	return *best, nil
}

func isIndex(mediaType string) bool {
	return mediaType == ocispec.MediaTypeImageIndex || mediaType == "application/vnd.docker.distribution.manifest.list.v2+json"
}

func digestOf(text string) digest.Digest { return digest.Digest(text) }

func blobPath(layout string, d digest.Digest) string {
	return filepath.Join(layout, "blobs", d.Algorithm().String(), d.Encoded())
}

// readBlob reads a blob of a layout and checks its digest.
func readBlob(layout string, desc ocispec.Descriptor) ([]byte, error) {
	if err := desc.Digest.Validate(); err != nil {
		return nil, err
	}
	text, err := os.ReadFile(blobPath(layout, desc.Digest))
	if err != nil {
		return nil, err
	}
	if digest.FromBytes(text) != desc.Digest {
		return nil, fmt.Errorf("blob %s of %s is damaged", desc.Digest, layout)
	}
	return text, nil
}
