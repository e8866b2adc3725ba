package ec2

import (
	"os"
	"path/filepath"
	"testing"
)

func put(t *testing.T, file, text string) {
	t.Helper()
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, file string, n int) string {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, n)
	if _, err := f.ReadAt(b, 0); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func files(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		if e.Name() != "ec2.json.new" { // one that is just being written
			names = append(names, e.Name())
		}
	}
	return names
}

func TestCopySparse(t *testing.T) {
	t.Parallel()
	from, to := filepath.Join(t.TempDir(), "from"), filepath.Join(t.TempDir(), "to")
	const size = 64 << 20
	if err := makeSparse(from, size); err != nil {
		t.Fatal(err)
	}
	put(t, from, "begin")
	if err := copySparse(from, to, 2*size); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(to)
	if err != nil || info.Size() != 2*size || read(t, to, 5) != "begin" {
		t.Errorf("copy: %v, %v", info, err)
	}
}
