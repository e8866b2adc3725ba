package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
)

// keyOf returns the key of some text.
func keyOf(text string) key.Key {
	sum := sha256.Sum256([]byte(text))
	return key.Key(hex.EncodeToString(sum[:]))
}

// machine returns the record of an image that is no container.
func machine(build, id string) artifact.Record {
	return artifact.Record{
		Build: build, Key: keyOf(build + id), RunID: "run-1", Created: time.Date(2026, 8, 5, 10, 0, 0, 0, time.UTC),
		Base:     artifact.Base{ID: "ami-base", Name: "debian-12"},
		Steps:    []artifact.Step{{Name: "shell", Key: keyOf(id), Inputs: []artifact.Input{{Kind: "file", Name: "setup.sh", Digest: "d"}}}},
		Artifact: artifact.Artifact{Builder: "amazon-ebs", ID: "eu-west-1:" + id, Places: []artifact.Place{{Name: "eu-west-1", ID: id}}},
	}
}

// container writes an image into the layout folder and returns its record.
func container(t *testing.T, layoutDir, build, text, arch string) artifact.Record {
	t.Helper()
	rec, err := writeImage(layoutDir, build, text, arch)
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

func writeImage(layoutDir, build, text, arch string) (artifact.Record, error) {
	ctx, l := context.Background(), newLayout(layoutDir)
	var failed error
	put := func(mediaType string, v any) ocispec.Descriptor {
		data, ok := v.([]byte)
		if !ok {
			var err error
			data, err = json.Marshal(v)
			failed = errors.Join(failed, err)
		}
		desc := content.NewDescriptorFromBytes(mediaType, data)
		failed = errors.Join(failed, l.Push(ctx, desc, bytes.NewReader(data)))
		return desc
	}
	layer := put(ocispec.MediaTypeImageLayer, []byte("layer "+text))
	config := put(ocispec.MediaTypeImageConfig, ocispec.Image{Platform: ocispec.Platform{OS: "linux", Architecture: arch},
		RootFS: ocispec.RootFS{Type: "layers"}, Author: text})
	desc := put(ocispec.MediaTypeImageManifest, ocispec.Manifest{Versioned: specs.Versioned{SchemaVersion: 2},
		MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer}})
	return artifact.Record{
		Build: build, Key: keyOf(build + text), RunID: "run-1", Created: time.Date(2026, 8, 5, 10, 0, 0, 0, time.UTC),
		Artifact: artifact.Artifact{Builder: "docker", ID: string(desc.Digest), Arch: arch, Image: &artifact.Image{
			MediaType: desc.MediaType, Digest: string(desc.Digest), Size: desc.Size, OS: "linux", Architecture: arch, Layout: layoutDir,
		}},
	}, failed
}

// stores runs a test on each kind of store.
func stores(t *testing.T, test func(t *testing.T, r *Registry)) {
	t.Run("layout", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, "", t.TempDir()))
	})
	t.Run("remote", func(t *testing.T) {
		t.Parallel()
		test(t, open(t, serve(t, "")+"/acme/images", t.TempDir()))
	})
}

func open(t *testing.T, address, layoutDir string) *Registry {
	t.Helper()
	r, err := Open(address, layoutDir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestPublish(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		ctx := context.Background()
		if _, ok, err := r.Latest(ctx, "web"); ok || err != nil {
			t.Fatalf("latest of nothing: %v, %v", ok, err)
		}
		web, ami := container(t, r.Layout(), "docker.web", "one", "amd64"), machine("amazon-ebs.web", "ami-1")
		for _, rec := range []artifact.Record{web, ami} {
			if err := r.Record(ctx, "web", rec); err != nil {
				t.Fatal(err)
			}
		}
		v := Version{Bucket: "web", Name: "1.4.0", RunID: "run-1", Description: "the site", GitCommit: "abc", TemplateDigest: "sha256:t",
			Labels: map[string]string{"team": "web"}, Channels: []string{"production"}, Records: []artifact.Record{web, ami}}
		got, isNew, err := r.Publish(ctx, v)
		if err != nil || !isNew {
			t.Fatalf("publish: new %v, %v", isNew, err)
		}
		for _, name := range []string{"1.4.0", "production"} {
			there, ok, err := r.Version(ctx, "web", name)
			if err != nil || !ok {
				t.Fatalf("%s: %v, %v", name, ok, err)
			}
			checkVersion(t, there, got.Digest)
		}
		again, isNew, err := r.Publish(ctx, v)
		if err != nil || isNew || again.Digest != got.Digest {
			t.Fatalf("again: new %v, %s, %v", isNew, again.Digest, err)
		}
		v.Records = []artifact.Record{web, machine("amazon-ebs.web", "ami-2")}
		_, _, err = r.Publish(ctx, v)
		var conflict *ConflictError
		if !errors.As(err, &conflict) || conflict.Existing != got.Digest || conflict.Differs != "amazon-ebs.web" {
			t.Fatalf("conflict: %v", err)
		}
		latest, ok, err := r.Latest(ctx, "web")
		if err != nil || !ok {
			t.Fatalf("latest: %v, %v", ok, err)
		}
		checkVersion(t, latest, got.Digest)
		if list, err := r.Buckets(ctx); err != nil || len(list) != 1 || list[0] != "web" {
			t.Fatalf("buckets: %v, %v", list, err)
		}
	})
}

func checkVersion(t *testing.T, v Version, digest string) {
	t.Helper()
	if v.Name != "1.4.0" || v.Digest != digest || v.Description != "the site" || v.GitCommit != "abc" || v.RunID != "run-1" ||
		v.TemplateDigest != "sha256:t" || v.Labels["team"] != "web" || v.Created.IsZero() {
		t.Errorf("version: %+v", v)
	}
	if len(v.Channels) != 1 || v.Channels[0] != "production" {
		t.Errorf("channels: %v", v.Channels)
	}
	if len(v.Records) != 2 || v.Records[0].Artifact.ID != "eu-west-1:ami-1" || v.Records[0].Steps[0].Inputs[0].Name != "setup.sh" ||
		v.Records[1].Artifact.Image == nil || v.Records[1].Artifact.Builder != "docker" {
		t.Errorf("records: %+v", v.Records)
	}
}

func TestLookup(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		ctx := context.Background()
		rec := container(t, r.Layout(), "docker.web", "one", "amd64")
		if _, ok, err := r.Lookup(ctx, "web", rec.Key); ok || err != nil {
			t.Fatalf("before: %v, %v", ok, err)
		}
		rec.Pending = []artifact.Pending{{Name: "1.1 docker-push"}}
		for _, pending := range []int{1, 0} {
			if err := r.Record(ctx, "web", rec); err != nil {
				t.Fatal(err)
			}
			got, ok, err := r.Lookup(ctx, "web", rec.Key)
			if err != nil || !ok || got.Build != "docker.web" || len(got.Pending) != pending || got.Artifact.Image.Layout != r.Layout() {
				t.Fatalf("lookup: %+v, %v, %v", got, ok, err)
			}
			rec.Pending = nil
		}
	})
}

func TestLookupOfRemovedImage(t *testing.T) {
	t.Parallel()
	ctx, r := context.Background(), open(t, "", t.TempDir())
	rec := container(t, r.Layout(), "docker.web", "one", "amd64")
	if err := r.Record(ctx, "web", rec); err != nil {
		t.Fatal(err)
	}
	layer := sha256.Sum256([]byte("layer one"))
	if err := os.Remove(filepath.Join(r.Layout(), "blobs", "sha256", hex.EncodeToString(layer[:]))); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := r.Lookup(ctx, "web", rec.Key); ok || err != nil {
		t.Fatalf("found %v, %v", ok, err)
	}
}
