// Package postprocessortest is what tests of post-processors share: inputs,
// and a container's image in a layout.
package postprocessortest

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// Input is the input of the build "docker.web", with the template in dir.
func Input(dir string, a artifact.Artifact) postprocessors.Input {
	return postprocessors.Input{
		Artifact: a, BuildName: "web", BuilderType: "docker", RunID: "run-1", Dir: dir,
		Secrets: &secret.Set{}, Render: provisionertest.Render,
	}
}

// Lines keeps the lines that a post-processor shows. Its zero value is ready.
type Lines struct {
	mu   sync.Mutex
	text []string
}

// Emit keeps the text of an event.
func (l *Lines) Emit(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch b := e.Body.(type) {
	case event.Say:
		l.text = append(l.text, b.Text)
	case event.Output:
		l.text = append(l.text, b.Text)
	case event.Warning:
		l.text = append(l.text, "warning: "+b.Text)
	}
}

// String returns the lines.
func (l *Lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "\n")
}

// Refuses checks that Check refuses the options with an OptionError about one
// of them, and the message, of which want is a part.
func Refuses(t *testing.T, p postprocessors.Processor, in postprocessors.Input, option, want string) {
	t.Helper()
	err := p.Check(in)
	var oe *component.OptionError
	if !errors.As(err, &oe) {
		t.Fatalf("no option error: %v", err)
	}
	if oe.Option != option || !strings.Contains(oe.Message, want) {
		t.Errorf("got %q: %q, want %q: %q", oe.Option, oe.Message, option, want)
	}
}

// Image writes an image of one layer, with the file /hello, into a layout that
// has no index, and returns the artifact.
func Image(t *testing.T) artifact.Artifact {
	t.Helper()
	layout := t.TempDir()
	layer, diffID := layer(t)
	config := blob(t, layout, encode(t, ocispec.Image{
		Platform: ocispec.Platform{OS: "linux", Architecture: "amd64"},
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{diffID}},
	}), ocispec.MediaTypeImageConfig)
	manifest := blob(t, layout, encode(t, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: config, Layers: []ocispec.Descriptor{blob(t, layout, layer, ocispec.MediaTypeImageLayerGzip)},
	}), ocispec.MediaTypeImageManifest)
	return artifact.Artifact{Builder: "docker", ID: manifest.Digest.String(), Image: &artifact.Image{
		MediaType: manifest.MediaType, Digest: manifest.Digest.String(), Size: manifest.Size,
		OS: "linux", Architecture: "amd64", Layout: layout,
	}}
}

func layer(t *testing.T) (packed []byte, diffID digest.Digest) {
	t.Helper()
	var raw, zipped bytes.Buffer
	w := tar.NewWriter(&raw)
	if err := w.WriteHeader(&tar.Header{Name: "hello", Mode: 0o644, Size: 6}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte("hello\n")); err != nil {
		t.Fatal(err)
	}
	z := gzip.NewWriter(&zipped)
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(raw.Bytes()); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return zipped.Bytes(), digest.FromBytes(raw.Bytes())
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func blob(t *testing.T, layout string, content []byte, mediaType string) ocispec.Descriptor {
	t.Helper()
	d := digest.FromBytes(content)
	path := filepath.Join(layout, "blobs", d.Algorithm().String(), d.Encoded())
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return ocispec.Descriptor{MediaType: mediaType, Digest: d, Size: int64(len(content))}
}
