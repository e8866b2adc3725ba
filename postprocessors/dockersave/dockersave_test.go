package dockersave

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"oras.land/oras-go/v2/content/oci"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
)

// entries reads a tar archive.
func entries(t *testing.T, path string) map[string][]byte {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	r := tar.NewReader(bytes.NewReader(text))
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if out[h.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
}

func TestProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := postprocessortest.Image(t)
	a.Tags = []string{"web:1", "localhost:5000/web:2"}
	c := &Config{Path: "out/web.tar"}
	for range 2 { // a file that is there is replaced
		res, err := c.Process(context.Background(), postprocessortest.Input(dir, a))
		if err != nil || !res.Keep || res.MustKeep {
			t.Fatalf("%+v, %v", res, err)
		}
		a = res.Artifact
	}
	path := filepath.Join(dir, "out/web.tar")
	st, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := []artifact.File{{Path: "out/web.tar", Size: st.Size()}}; !slices.Equal(a.Files, want) {
		t.Errorf("files are %v, want %v", a.Files, want)
	}
	// What docker load reads.
	files := entries(t, path)
	var docker []struct {
		Config           string
		RepoTags, Layers []string
	}
	if err := json.Unmarshal(files["manifest.json"], &docker); err != nil {
		t.Fatal(err)
	}
	if len(docker) != 1 || len(docker[0].Layers) != 1 || files[docker[0].Config] == nil || files[docker[0].Layers[0]] == nil {
		t.Errorf("manifest.json is %s", files["manifest.json"])
	}
	if diff := cmp.Diff([]string{"web:1", "localhost:5000/web:2"}, docker[0].RepoTags); diff != "" {
		t.Error(diff)
	}
	// What podman, skopeo and oras read.
	store, err := oci.NewFromTar(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	desc, err := store.Resolve(context.Background(), a.Image.Digest)
	if err != nil || desc.Digest.String() != a.Image.Digest {
		t.Errorf("resolved %v, %v", desc, err)
	}
	// Nothing but the file was made.
	for folder, want := range map[string]int{filepath.Join(dir, "out"): 1, a.Image.Layout: 1} {
		if left, err := os.ReadDir(folder); err != nil || len(left) != want {
			t.Errorf("%s holds %v (%v)", folder, left, err)
		}
	}
}

func TestNoTags(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := (&Config{Path: "web.tar"}).Process(context.Background(), postprocessortest.Input(dir, postprocessortest.Image(t))); err != nil {
		t.Fatal(err)
	}
	if got := string(entries(t, filepath.Join(dir, "web.tar"))["manifest.json"]); !strings.Contains(got, `"RepoTags":null`) {
		t.Errorf("manifest.json is %s", got)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	in := postprocessortest.Input(t.TempDir(), artifact.Artifact{})
	postprocessortest.Refuses(t, &Config{}, in, "path", "empty")
	postprocessortest.Refuses(t, &Config{Path: "."}, in, "path", "is a folder")
	_, err := (&Config{Path: "web.tar"}).Process(context.Background(), in)
	if err == nil || !strings.Contains(err.Error(), "not a container's image") || builders.Hint(err) == "" {
		t.Errorf("got %v", err)
	}
	in.Artifact = postprocessortest.Image(t)
	if err := os.RemoveAll(filepath.Join(in.Artifact.Image.Layout, "blobs")); err != nil {
		t.Fatal(err)
	}
	if _, err := (&Config{Path: "web.tar"}).Process(context.Background(), in); err == nil {
		t.Error("saved an image that is gone")
	}
	if left, err := os.ReadDir(in.Dir); err != nil || len(left) > 0 {
		t.Errorf("left %v (%v)", left, err)
	}
}
