package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestReferenceIsUpToDate fails when a page in docs/reference is not what the
// config structs say; `make docs` writes them anew.
func TestReferenceIsUpToDate(t *testing.T) {
	t.Parallel()
	root := filepath.Join("..", "..")
	pages, err := generate(root)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range pages {
		got, err := os.ReadFile(filepath.Join(root, "docs", "reference", name))
		if err != nil || string(got) != want {
			t.Errorf("docs/reference/%s is not up to date: run `make docs`", name)
		}
	}
	files, err := filepath.Glob(filepath.Join(root, "docs", "reference", "*", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		name := filepath.ToSlash(filepath.Join(filepath.Base(filepath.Dir(file)), filepath.Base(file)))
		if _, ok := pages[name]; !ok {
			t.Errorf("docs/reference/%s is of a component that is gone: remove it", name)
		}
	}
}

func TestComments(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ doc, field, want string }{
		{"Image is the image to start from.", "Image", "The image to start from."},
		{"Sources are several of source.", "Sources", "Several of source."},
		{"Commit keeps the result.", "Commit", "Keeps the result."},
		{"AgentAuth is ssh_agent_auth.", "AgentAuth", "ssh_agent_auth."},
		{"Imagery of the machine.", "Image", "Imagery of the machine."},
	} {
		if got := ofOption(tt.doc, tt.field); got != tt.want {
			t.Errorf("ofOption(%q) = %q, want %q", tt.doc, got, tt.want)
		}
	}
	for doc, want := range map[string]string{
		`Package shell is the provisioner "shell": it runs scripts.`: "Runs scripts.",
		"Package x is the data source of an image.":                  "An image.",
		"Package x makes images. They are good.":                     "Makes images. They are good.",
		"":                                                           "",
	} {
		if got := intro(doc); got != want {
			t.Errorf("intro(%q) = %q, want %q", doc, got, want)
		}
	}
}
