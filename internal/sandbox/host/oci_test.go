//go:build linux

package host

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"

	"github.com/ingot-build/ingot/internal/registrytest"
)

// image writes an image of layers to a layout, as "latest".
func image(t *testing.T, dir string, layers ...[]tar.Header) *oci.Store {
	t.Helper()
	store, err := oci.New(dir)
	if err != nil {
		t.Fatal(err)
	}
	var descs []ocispec.Descriptor
	for _, l := range layers {
		var b bytes.Buffer
		w := tar.NewWriter(&b)
		for _, h := range l {
			text := h.PAXRecords["text"]
			h.PAXRecords, h.Size = nil, int64(len(text))
			if err := w.WriteHeader(&h); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(w, text); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		d := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageLayer, Digest: digest.FromBytes(b.Bytes()), Size: int64(b.Len())}
		if err := store.Push(t.Context(), d, &b); err != nil {
			t.Fatal(err)
		}
		descs = append(descs, d)
	}
	text := fmt.Appendf(nil, `{"os": "linux", "architecture": %q}`, runtime.GOARCH)
	config := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageConfig, Digest: digest.FromBytes(text), Size: int64(len(text))}
	if err := store.Push(t.Context(), config, bytes.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	desc, err := oras.PackManifest(t.Context(), store, oras.PackManifestVersion1_1, "", oras.PackManifestOptions{Layers: descs, ConfigDescriptor: &config})
	if err == nil {
		err = store.Tag(t.Context(), desc, "latest")
	}
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func file(name, text string) tar.Header {
	return tar.Header{Name: name, Mode: 0o644, PAXRecords: map[string]string{"text": text}}
}

func TestUnpack(t *testing.T) {
	t.Parallel()
	if err := mayMount(); err != nil {
		t.Skipf("cannot run here: %v", err)
	}
	outside := t.TempDir()
	dir := filepath.Join(t.TempDir(), "layout")
	store := image(t, dir,
		[]tar.Header{
			file("etc/gone", "1"), file("var/a/old", "1"), file("etc/kept", "1"), file("../above", "1"),
			{Name: "out", Typeflag: tar.TypeSymlink, Linkname: outside},
		},
		[]tar.Header{
			file("etc/.wh.gone", ""), file("var/a/.wh..wh..opq", ""), file("var/a/new", "2"), file("out/escaped", "2"),
			{Name: "usr/sbin/policy-rc.d", Mode: 0o755, PAXRecords: map[string]string{"text": "#!/bin/sh\nexit 101\n"}},
		})
	host, err := Open(t.TempDir(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer host.Close()
	h := host.(*local)
	id, err := h.Base(t.Context(), Base{OCI: layoutScheme + dir}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{"etc/gone": false, "etc/kept": true, "var/a/old": false, "var/a/new": true, "above": true, "usr/sbin/policy-rc.d": false, "etc/resolv.conf": true} {
		if _, err := os.Lstat(filepath.Join(h.layer(id), name)); (err == nil) != want {
			t.Errorf("%s: %v", name, err)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside of the image: %v %v", left, err)
	}
	// The same image from a registry is the same layer.
	reg, err := registrytest.Start(false)
	if err != nil {
		t.Fatal(err)
	}
	defer reg.Close()
	repo, err := remote.NewRepository(reg.Addr + "/images/base")
	if err != nil {
		t.Fatal(err)
	}
	repo.PlainHTTP = true
	if _, err := oras.Copy(t.Context(), store, "latest", repo, "v1", oras.DefaultCopyOptions); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	again, err := h.Base(t.Context(), Base{OCI: reg.Addr + "/images/base:v1"}, &log)
	if err != nil || again != id {
		t.Errorf("from a registry: %s %v, want %s", again, err, id)
	}
	for ref, want := range map[string]string{
		reg.Addr + "/images/none":  "base " + reg.Addr + "/images/none: ",
		layoutScheme + "/no/where": "base oci-layout:/no/where: ",
		"UPPER CASE":               "base UPPER CASE: ",
	} {
		if _, err := h.Base(t.Context(), Base{OCI: ref}, io.Discard); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: error %v", ref, err)
		}
	}
}

// TestBootOCI boots an image with sshd that is not made for machines.
func TestBootOCI(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	entries, err := oci.NewFromFS(t.Context(), os.DirFS(filepath.Join(b.cache, "bases")))
	if err != nil {
		t.Fatal(err)
	}
	tag := ""
	if err := entries.Tags(t.Context(), "", func(tags []string) error {
		for _, name := range tags {
			if d, err := entries.Resolve(t.Context(), name); err == nil && strings.HasPrefix(d.Digest.Encoded(), string(b.base[1:])) {
				tag = name
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s := b.spec("i-1")
	base, err := b.Base(t.Context(), Base{OCI: layoutScheme + filepath.Join(b.cache, "bases") + ":" + tag}, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	s.Layers = []LayerID{base}
	b.want(b.run(b.start(s), s, "id -un"), "admin")
}
