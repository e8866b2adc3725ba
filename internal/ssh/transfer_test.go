package ssh_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/sshtest"
)

// fileBlob writes a file of this host with size bytes.
func fileBlob(t testing.TB, size int) (op.Blob, []byte) {
	t.Helper()
	data := bytes.Repeat([]byte("0123456789abcde\n"), size/16+1)[:size]
	blob, err := op.FileBlob(write(t, t.TempDir(), "data", string(data)))
	if err != nil {
		t.Fatal(err)
	}
	return blob, data
}

func wantContent(t *testing.T, path string, want []byte, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %d bytes, %v; want %d bytes", path, len(got), err, len(want))
	}
	if st, err := os.Lstat(path); err == nil && st.Mode() != mode {
		t.Errorf("%s: mode %v, want %v", path, st.Mode(), mode)
	}
}

func TestPut(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	conn := connect(t, config(s))
	dir := t.TempDir()
	blob, data := fileBlob(t, 5<<20+3)
	put := func(f op.File) error { return conn.Put(t.Context(), f) }

	path := filepath.Join(dir, "new folder", "$odd 'name'")
	if err := put(op.File{Path: path, Mode: 0o751, Blob: blob}); err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, data, 0o751)

	// Through a link to the file that it leads to.
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	if err := put(op.File{Path: link, Blob: op.Text(secret.Plain("new"))}); err != nil {
		t.Fatal(err)
	}
	wantContent(t, path, []byte("new"), 0o644)
	if st, err := os.Lstat(link); err != nil || st.Mode().Type() != fs.ModeSymlink {
		t.Errorf("the link is gone: %v", err)
	}

	if err := put(op.File{Path: "/dev/null", Blob: blob}); err != nil {
		t.Errorf("a device: %v", err)
	}
	if st, err := os.Stat("/dev/null"); err != nil || st.Mode().IsRegular() {
		t.Fatal("/dev/null was replaced")
	}
	if err := put(op.File{Path: dir, Blob: blob}); err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
	if err := put(op.File{Path: filepath.Join(dir, "owned"), Owner: "no-such-user", Blob: blob}); err == nil || !strings.Contains(err.Error(), "invalid user") {
		t.Errorf("owner: %v", err)
	}
	wantEntries(t, dir, "link", "new folder")
	wantEntries(t, filepath.Dir(path), "$odd 'name'")
	if s.User == "root" {
		if err := put(op.File{Path: filepath.Join(dir, "owned"), Owner: "nobody", Blob: blob}); err != nil {
			t.Error(err)
		}
		if got := sh(t, conn, "stat -c %U "+filepath.Join(dir, "owned")); got[0] != "nobody" {
			t.Errorf("owner %q", got)
		}
	}
}

// wantEntries checks that a folder holds only what it should.
func wantEntries(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		got = append(got, e.Name())
	}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("%s holds %q, want %q", dir, got, want)
	}
}

// TestPutChanged uploads a file that is not what it was when it was hashed.
func TestPutChanged(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{})))
	blob, _ := fileBlob(t, 1000)
	if err := os.WriteFile(blob.Path(), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	err := conn.Put(t.Context(), op.File{Path: filepath.Join(dir, "x"), Blob: blob})
	if err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("error %v", err)
	}
	sh(t, conn, "true") // what the machine runs has had its time
	wantEntries(t, dir)
	if err := os.Remove(blob.Path()); err != nil {
		t.Fatal(err)
	}
	if err := conn.Put(t.Context(), op.File{Path: filepath.Join(dir, "x"), Blob: blob}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
}

// slow is content that tells when it is read and then waits.
type slow struct {
	fs.FS
	read func()
}

func (s slow) Open(name string) (fs.File, error) {
	if name == "b" {
		s.read()
	}
	return s.FS.Open(name)
}

func TestTransferCancelled(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{})))
	ctx, cancel := context.WithCancel(t.Context())
	source := t.TempDir()
	for _, name := range []string{"a", "b"} {
		write(t, source, name, strings.Repeat("x", 8<<20))
	}
	dir := t.TempDir()
	if err := conn.Tree(ctx, &op.Tree{Dir: dir, Source: slow{os.DirFS(source), cancel}}); !errors.Is(err, context.Canceled) {
		t.Errorf("tree: %v", err)
	}
	blob, _ := fileBlob(t, 1<<20)
	if err := conn.Put(ctx, op.File{Path: filepath.Join(dir, "file"), Blob: blob}); !errors.Is(err, context.Canceled) {
		t.Errorf("put: %v", err)
	}
	if err := conn.Get(ctx, "/etc/passwd", filepath.Join(dir, "got")); !errors.Is(err, context.Canceled) {
		t.Errorf("get: %v", err)
	}
	sh(t, conn, "true")
	for _, name := range []string{"file", "got"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
}

func TestFullDisk(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{Tmpfs: "1m"})
	conn := connect(t, config(s))
	blob, _ := fileBlob(t, 8<<20)
	wantError(t, conn.Put(t.Context(), op.File{Path: "/mnt/file", Blob: blob}), "no space left on the machine at /mnt/file")
	source := t.TempDir()
	write(t, source, "big", strings.Repeat("x", 4<<20))
	wantError(t, conn.Tree(t.Context(), &op.Tree{Dir: "/mnt/tree", Source: os.DirFS(source)}), "no space left on the machine at /mnt/tree")
	sh(t, conn, "rm -rf /mnt/tree; [ -z \"$(ls -A /mnt)\" ]; cat /dev/zero >/mnt/full 2>/dev/null || true")
	_, err := conn.Run(t.Context(), &op.Exec{
		Argv:   []string{"true"},
		Inputs: []op.File{{Path: "/mnt/input", Blob: op.Text(secret.Plain(strings.Repeat("x", 60<<10)))}},
	}, nil)
	wantError(t, err, "no space left on the machine at /mnt/input")
	if got := sh(t, conn, "ls -A /mnt"); len(got) != 1 || got[0] != "full" {
		t.Errorf("left behind: %q", got)
	}
}

func TestPermission(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{User: "ingot-test"})))
	blob, _ := fileBlob(t, 1<<20)
	wantError(t, conn.Put(t.Context(), op.File{Path: "/etc/ingot-test", Blob: blob}), "/etc/ingot-test: ", "Permission denied")
	wantError(t, conn.Tree(t.Context(), &op.Tree{Dir: "/etc/ingot-test", Source: os.DirFS(t.TempDir())}), "Permission denied")
	if err := conn.Get(t.Context(), "/etc/shadow", t.TempDir()); err == nil {
		t.Error("no error for a file that may not be read")
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{})))
	blob, data := fileBlob(t, 3<<20+1)
	to := t.TempDir()
	for name, dest := range map[string]string{
		"file": filepath.Join(to, "new", "file"), "into a folder": to, "into a new folder": filepath.Join(to, "other") + "/",
	} {
		if err := conn.Get(t.Context(), blob.Path(), dest); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	wantContent(t, filepath.Join(to, "new", "file"), data, 0o644)
	wantContent(t, filepath.Join(to, "data"), data, 0o644)
	wantContent(t, filepath.Join(to, "other", "data"), data, 0o644)
	wantEntries(t, to, "data", "new", "other")
	err := conn.Get(t.Context(), to, filepath.Join(to, "x"))
	if err == nil || !strings.Contains(err.Error(), "is a folder") {
		t.Errorf("a folder: %v", err)
	}
	wantEntries(t, to, "data", "new", "other")
	if err := conn.Get(t.Context(), "/no/such/folder/", filepath.Join(to, "y")); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

func TestGetTree(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{})))
	from := t.TempDir()
	sh(t, conn, "cd "+from+" && mkdir -p a/b empty && echo 1 >a/b/1 && chmod 700 a/b/1 && ln a/b/1 a/hard && ln -s a/b/1 soft && ln -s /etc out && mkdir closed && chmod 555 closed")
	to := t.TempDir()
	write(t, to, "soft", "replaced")
	if err := conn.Get(t.Context(), from+"/", to); err != nil {
		t.Fatal(err)
	}
	wantContent(t, filepath.Join(to, "a", "b", "1"), []byte("1\n"), 0o700)
	wantContent(t, filepath.Join(to, "a", "hard"), []byte("1\n"), 0o700)
	for name, want := range map[string]string{"soft": "a/b/1", "out": "/etc"} {
		if got, err := os.Readlink(filepath.Join(to, name)); got != want {
			t.Errorf("%s leads to %q, %v", name, got, err)
		}
	}
	wantEntries(t, to, "a", "closed", "empty", "out", "soft")
	// The link to /etc is there now: nothing may be written through it.
	sh(t, conn, "cd "+from+" && rm out && mkdir out && echo x >out/ingot-test")
	if err := conn.Get(t.Context(), from+"/", to); err == nil {
		t.Error("no error for a folder where there is a link out of the destination")
	}
	if _, err := os.Stat("/etc/ingot-test"); err == nil {
		t.Error("an entry got out of the destination")
	}
	sh(t, conn, "cd "+from+" && rm -r out && mkfifo pipe")
	if err := conn.Get(t.Context(), from+"/", t.TempDir()); err == nil || !strings.Contains(err.Error(), "pipe: ") {
		t.Errorf("a pipe: %v", err)
	}
}

func TestTreeRefuses(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{})))
	source := t.TempDir()
	write(t, source, "file", "x")
	sh(t, conn, "mkfifo "+source+"/pipe")
	err := conn.Tree(t.Context(), &op.Tree{Dir: t.TempDir(), Source: os.DirFS(source)})
	if err == nil || !strings.Contains(err.Error(), "pipe is no file") {
		t.Errorf("error %v", err)
	}
	file := write(t, t.TempDir(), "file", "x")
	if err := conn.Tree(t.Context(), &op.Tree{Dir: file, Source: os.DirFS(t.TempDir())}); err == nil {
		t.Error("no error for a file where the folder should be")
	}
}

// TestInputsReplace checks that an input is never written through what
// somebody else has put at its place.
func TestInputsReplace(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{})))
	dir := t.TempDir()
	victim := write(t, dir, "victim", "safe")
	planted := filepath.Join(dir, "planted")
	if err := os.Symlink(victim, planted); err != nil {
		t.Fatal(err)
	}
	var out output
	e := &op.Exec{Argv: []string{"cat", planted}, Inputs: []op.File{{Path: planted, Blob: op.Text(secret.Plain("input"))}}}
	if _, err := conn.Run(t.Context(), e, out.line); err != nil || len(out.lines) != 1 || out.lines[0] != "input" {
		t.Errorf("%q, %v", out.lines, err)
	}
	wantContent(t, victim, []byte("safe"), 0o600)
	wantEntries(t, dir, "victim")
}
