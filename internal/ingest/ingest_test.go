package ingest

import (
	"os"
	"path/filepath"
	"testing"
)

// A folder stays as long as it is in use. Those of killed processes go.
func TestOpen(t *testing.T) {
	t.Parallel()
	layout := filepath.Join(t.TempDir(), "layout")
	open := func() *Folder {
		f, err := Open(t.Context(), layout)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	killed := open()
	if err := killed.lock.Close(); err != nil { // the kernel does so
		t.Fatal(err)
	}
	one, two := open(), open()
	if _, err := os.Stat(killed.Dir); !os.IsNotExist(err) {
		t.Errorf("of the killed process: %v", err)
	}
	for _, f := range []*Folder{one, two} {
		if err := os.MkdirAll(filepath.Join(f.Dir, "blobs", "sha256"), 0o755); err != nil {
			t.Error(err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(layout); err != nil || len(left) != 2 {
		t.Errorf("in the layout: %v, %v", left, err)
	}
	if _, err := os.Stat(filepath.Join(layout, "blobs", "sha256")); err != nil {
		t.Error(err)
	}
}
