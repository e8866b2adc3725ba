package artifice

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
)

func TestProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "d.box"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"b.box": "bb", "a.box": "a", "notes": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	in := postprocessortest.Input(dir, artifact.Artifact{Builder: "null", ID: "x", Arch: "amd64"})
	res, err := (&Config{Files: []string{"*.box", filepath.Join(dir, "notes")}}).Process(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	notes := filepath.Join(dir, "notes")
	want := artifact.Artifact{Builder: "null", Arch: "amd64", ID: "a.box,b.box," + notes,
		Text:  "Created artifact from files: a.box, b.box, " + notes,
		Files: []artifact.File{{Path: "a.box", Size: 1}, {Path: "b.box", Size: 2}, {Path: notes}}}
	if diff := cmp.Diff(want, res.Artifact); diff != "" || !res.Keep || res.MustKeep {
		t.Errorf("keep %v, must %v, (-want +got):\n%s", res.Keep, res.MustKeep, diff)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	in := postprocessortest.Input(t.TempDir(), artifact.Artifact{})
	postprocessortest.Refuses(t, Definition().New(), in, "files", "empty")
	postprocessortest.Refuses(t, &Config{Files: []string{"a["}}, in, "files", "is not a pattern")
	_, err := (&Config{Files: []string{"*.box"}}).Process(context.Background(), in)
	if err == nil || !strings.Contains(err.Error(), "no file matches *.box") {
		t.Errorf("got %v", err)
	}
}
