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
}
