package container

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// Builds that write the same blobs into one layout at once don't disturb each
// other, and what a killed one has left is gone with the next.
func TestCommitTogether(t *testing.T) {
	t.Parallel()
	layout := t.TempDir()
	killed := filepath.Join(layout, "ingest", "killed")
	if err := os.MkdirAll(killed, 0o755); err != nil {
		t.Fatal(err)
	}
	text := []byte("the same blob")
	desc := ocispec.Descriptor{Digest: digest.FromBytes(text), Size: int64(len(text))}
	var all []*commit
	var writers []content.Writer
	for range 3 {
		c, err := newCommit(t.Context(), layout)
		if err != nil {
			t.Fatal(err)
		}
		w, err := c.entry.OutputStore.Writer(t.Context(), content.WithRef("blob"), content.WithDescriptor(desc))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(text); err != nil {
			t.Fatal(err)
		}
		all, writers = append(all, c), append(writers, w)
	}
	if _, err := os.Lstat(killed); !os.IsNotExist(err) {
		t.Errorf("of the killed build: %v", err)
	}
	if err := writers[0].Commit(t.Context(), desc.Size, desc.Digest); err != nil {
		t.Error(err)
	}
	for _, c := range all {
		if err := c.abandon(); err != nil {
			t.Error(err)
		}
	}
	if got, err := readBlob(layout, desc); err != nil || string(got) != string(text) {
		t.Errorf("%q, %v", got, err)
	}
	if left, err := os.ReadDir(layout); err != nil || len(left) != 2 {
		t.Errorf("in the layout: %v, %v", left, err)
	}
}

// A file that a killed build was exporting is gone with the next export, one
// that is being written stays.
func TestExportTogether(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "out [1].tar")
	var all []*exportFile
	for range 3 {
		e := &exportFile{path: path}
		f, err := e.create()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		all = append(all, e)
		if len(all) == 1 {
			if err := e.lock.Close(); err != nil { // it is killed
				t.Fatal(err)
			}
		}
	}
	for i, e := range all {
		if _, err := os.Stat(e.temp); os.IsNotExist(err) != (i == 0) {
			t.Errorf("%d: %v", i, err)
		}
	}
	for _, e := range all[1:] {
		if err := e.abandon(); err != nil {
			t.Error(err)
		}
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}
