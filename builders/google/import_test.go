package google

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
)

// A disk is packed as Compute Engine takes it: GNU's tar finds one file of whole
// gigabytes in it.
func TestPack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := bytes.Repeat([]byte("a disk "), 1<<20)
	disk := filepath.Join(dir, "disk")
	if err := os.WriteFile(disk, text, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(disk)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := packed(f)
	all, err := io.ReadAll(r)
	if err := errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	if len(all) > 16<<20 {
		t.Errorf("%d bytes, of zeros", len(all))
	}
	archive := filepath.Join(dir, "disk.tar.gz")
	if err := os.WriteFile(archive, all, 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("tar", "-tvzf", archive).CombinedOutput()
	if err != nil || !strings.Contains(string(out), " 1073741824 ") || !strings.HasSuffix(strings.TrimSpace(string(out)), " disk.raw") {
		t.Errorf("%v\n%s", err, out)
	}
	head, err := exec.Command("sh", "-c", `tar -xOzf "$0" disk.raw | head -c "$1"`, archive, "7340033").Output()
	if err != nil || !bytes.Equal(head, append(text, 0)) {
		t.Errorf("%v, other content: %d bytes", err, len(head))
	}
}

// What the same build has imported of the same file is not imported again;
// another image of the name stays, unless -force is given.
func TestImportAgain(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	disk := func(text string) RawDisk {
		file := filepath.Join(t.TempDir(), "disk.raw")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return RawDisk{File: file, Bucket: "acme", Object: "in/disk.tar.gz",
			Image: ImageOptions{ImageProjectID: "my-project", ImageName: "web", ImageArchitecture: "X86_64"}}
	}
	numbers := map[string]bool{}
	run := func(d RawDisk, force bool) error {
		env := l.env(t, &lines{})
		env.Force = force
		a, err := Import(t.Context(), gcp.Access{}, l.host, d, env)
		numbers[a.Labels[idLabel]] = true
		if left := env.Journal.Left(); len(left) > 0 {
			t.Errorf("in the journal: %+v", left)
		}
		return err
	}
	for range 2 {
		if err := run(disk("one"), false); err != nil {
			t.Fatal(err)
		}
	}
	err := run(disk("two"), false)
	if err == nil || !strings.Contains(err.Error(), "the image name web is in use in the project my-project") || !strings.Contains(builders.Hint(err), "-force") {
		t.Errorf("%v (%s)", err, builders.Hint(err))
	}
	if err := run(disk("two"), true); err != nil {
		t.Error(err)
	}
	delete(numbers, "")
	if len(numbers) != 2 {
		t.Errorf("images %v, want two", numbers)
	}
	if left := l.Leaks(); len(left) != 1 || !strings.Contains(left[0], "/images/web ") {
		t.Errorf("left: %q", left)
	}
}
