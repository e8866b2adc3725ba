package host

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/containerd/containerd/v2/pkg/archive"
	"github.com/containerd/containerd/v2/pkg/archive/compression"
	"github.com/gofrs/flock"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"

	"github.com/ingot-build/ingot/internal/bootstrap"
	"github.com/ingot-build/ingot/internal/event"
)

// defaultMirror has all of Debian's releases.
const defaultMirror = "http://deb.debian.org/debian"

// machinePackages are what a Debian machine needs beside its essential ones:
// a login, and what cloud images have that provisioners rely on.
var machinePackages = [...]string{"openssh-server", "sudo", "systemd-sysv", "ca-certificates", "curl", "iproute2", "procps", "netbase"}

// lockRetry is how often a lock that another process holds is asked for again.
const lockRetry = 100 * time.Millisecond

// base is one that this process has looked up: what a mirror has now is asked
// once.
type base struct {
	mu   sync.Mutex
	id   LayerID
	tree string // "" until it is known
}

// Base returns the layer of a base.
func (h *local) Base(ctx context.Context, b Base, w io.Writer) (LayerID, error) {
	name := fmt.Sprintf("%q", b)
	h.mu.Lock()
	known := h.bases[name]
	if known == nil {
		known = &base{}
		h.bases[name] = known
	}
	h.mu.Unlock()
	known.mu.Lock()
	defer known.mu.Unlock()
	if known.tree == "" {
		blobs, desc, err := h.image(ctx, b, w)
		if err != nil {
			return "", err
		}
		known.id = LayerID("b" + desc.Digest.Encoded()[:12])
		tree, err := h.tree(ctx, known.id, blobs, desc)
		if err != nil {
			return "", fmt.Errorf("unpack base %s: %w", desc.Digest, err)
		}
		known.tree = tree
	}
	if err := os.Symlink(known.tree, h.layer(known.id)); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return known.id, nil
}

// image returns the manifest of a base, and where its blobs are.
func (h *local) image(ctx context.Context, b Base, w io.Writer) (content.ReadOnlyStorage, ocispec.Descriptor, error) {
	if b.OCI != "" {
		return h.pull(ctx, b.OCI, w)
	}
	mirror := b.Mirror
	if mirror == "" {
		mirror = defaultMirror
	}
	packages := append(slices.Clone(machinePackages[:]), b.Packages...)
	slices.Sort(packages)
	spec := bootstrap.Spec{
		Suite: b.Suite, Mirror: mirror, Variant: "minbase", Components: []string{"main"},
		Packages: slices.Compact(packages), Arch: runtime.GOARCH,
	}
	store := bootstrap.Store{Dir: filepath.Join(h.cache, "bases")}
	made, err := store.Resolve(ctx, spec)
	if err != nil {
		return nil, ocispec.Descriptor{}, fmt.Errorf("base %s: %w", b.Suite, err)
	}
	desc, err := store.Get(ctx, made.ID, spec, event.Log{Sink: printer{w}})
	if err != nil {
		return nil, ocispec.Descriptor{}, fmt.Errorf("base %s: %w", b.Suite, err)
	}
	return oci.NewStorageFromFS(os.DirFS(store.Dir)), desc, nil
}

// printer prints what a program says.
type printer struct{ io.Writer }

// Emit prints the text of an event.
func (p printer) Emit(e event.Event) {
	if out, ok := e.Body.(event.Output); ok {
		_, _ = fmt.Fprintln(p, out.Text)
	}
}

// tree returns the file tree of an image, which the cache keeps. Those who
// need the same one at once wait for the one who unpacks it.
func (h *local) tree(ctx context.Context, id LayerID, blobs content.ReadOnlyStorage, desc ocispec.Descriptor) (string, error) {
	path := filepath.Join(h.cache, "trees", string(id)+"-"+adaptation)
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o711); err != nil {
		return "", err
	}
	lock := flock.New(path + ".lock")
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return "", err
	}
	defer lock.Close()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	temp := path + ".new"
	if err := os.RemoveAll(temp); err != nil {
		return "", err
	}
	if err := os.Mkdir(temp, 0o755); err != nil {
		return "", err
	}
	if err := unpack(ctx, blobs, desc, temp); err != nil {
		return "", errors.Join(err, os.RemoveAll(temp))
	}
	if err := adapt(temp); err != nil {
		return "", errors.Join(err, os.RemoveAll(temp))
	}
	return path, os.Rename(temp, path)
}

// unpack applies an image's layers.
func unpack(ctx context.Context, blobs content.ReadOnlyStorage, desc ocispec.Descriptor, dir string) error {
	text, err := content.FetchAll(ctx, blobs, desc)
	if err != nil {
		return err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return err
	}
	for _, l := range m.Layers {
		if err := apply(ctx, blobs, l, dir); err != nil {
			return fmt.Errorf("layer %s: %w", l.Digest, err)
		}
	}
	return nil
}

func apply(ctx context.Context, blobs content.ReadOnlyStorage, layer ocispec.Descriptor, dir string) error {
	blob, err := blobs.Fetch(ctx, layer)
	if err != nil {
		return err
	}
	defer blob.Close()
	checked := content.NewVerifyReader(blob, layer)
	r, err := compression.DecompressStream(checked)
	if err != nil {
		return err
	}
	defer r.Close()
	if _, err := archive.Apply(ctx, dir, r); err != nil {
		return err
	}
	// What follows the archive's end counts in the digest.
	for _, rest := range []io.Reader{r, checked} {
		if _, err := io.Copy(io.Discard, rest); err != nil {
			return err
		}
	}
	return checked.Verify()
}

// adaptation is part of a tree's name in the cache: it changes with adapt.
const adaptation = "2"

// adapt makes a tree for containers one for machines: services may be started
// when they are installed, each boot has its own name server, and there is a
// cloud-init to ask.
func adapt(dir string) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if text, err := root.ReadFile("usr/sbin/policy-rc.d"); err == nil && bytes.Contains(text, []byte("exit 101")) {
		if err := root.Remove("usr/sbin/policy-rc.d"); err != nil {
			return err
		}
	}
	for name, file := range map[string]struct {
		text string
		mode fs.FileMode
	}{"etc/resolv.conf": {"", 0o644}, cloudCommand: {cloudScript, 0o755}} {
		if _, err := root.Lstat(name); err == nil {
			continue
		}
		err := root.MkdirAll(path.Dir(name), 0o755)
		if err == nil {
			err = root.WriteFile(name, []byte(file.text), file.mode)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
