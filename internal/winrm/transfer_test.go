package winrm_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/winrm"
	"github.com/ingot-build/ingot/internal/winrmtest"
)

// missing returns an error where a file of the machine is there.
func missing(s *winrmtest.Server, path string) error {
	_, err := os.Stat(s.Path(path))
	if err != nil {
		return nil
	}
	return os.ErrExist
}

// TestPut moves 5 MB there and back, also to a server that takes less at once.
func TestPut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		options winrmtest.Options
		sends   int
	}{
		"large requests": {winrmtest.Options{}, 19}, "small requests": {winrmtest.Options{MaxEnvelope: 150 << 10}, 66},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, s := connect(t, test.options)
			dir := t.TempDir()
			data := make([]byte, 5<<20)
			_, _ = rand.Read(data)
			file := filepath.Join(dir, "data")
			if err := os.WriteFile(file, data, 0o644); err != nil {
				t.Fatal(err)
			}
			blob, err := op.FileBlob(file)
			if err != nil {
				t.Fatal(err)
			}
			const to = `C:\Program Files\Ünïcode's\data.bin`
			if err := conn.Put(t.Context(), op.File{Path: to, Blob: blob}); err != nil {
				t.Fatal(err)
			}
			if n := s.Requests("Send"); n > test.sends {
				t.Errorf("%d requests for 5 MB", n)
			}
			back := filepath.Join(dir, "back")
			if err := conn.Get(t.Context(), to, back); err != nil {
				t.Fatal(err)
			}
			again, err := op.FileBlob(back)
			if err != nil || again.Digest != blob.Digest {
				t.Errorf("came back as %s, %v; was %s", again.Digest, err, blob.Digest)
			}
		})
	}
}

func TestPutEmptyAndInto(t *testing.T) {
	t.Parallel()
	conn, s := connect(t, winrmtest.Options{})
	for _, content := range []string{"", "x", strings.Repeat("ab\r\n", 30000)} {
		if err := conn.Put(t.Context(), op.File{Path: "c:/new/folder/file", Blob: op.Text(secret.Sensitive(content))}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(s.Path("c:/new/folder/file"))
		if err != nil || string(got) != content {
			t.Errorf("%d bytes arrived, %v", len(got), err)
		}
	}
	dir := t.TempDir() + "/"
	if err := conn.Get(t.Context(), `c:\new\folder\file`, dir); err != nil {
		t.Fatal(err)
	}
	blob, err := op.FileBlob(dir + "file")
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Put(t.Context(), op.File{Path: `C:\Other\`, Blob: blob}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(s.Path("c:/other/file")); err != nil {
		t.Error(err)
	}
}

func TestTransferErrors(t *testing.T) {
	t.Parallel()
	conn, s := connect(t, winrmtest.Options{})
	if err := os.MkdirAll(s.Path("c:/folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	put := func(path, owner string) error {
		return conn.Put(t.Context(), op.File{Path: path, Owner: owner, Blob: text("x")})
	}
	for want, err := range map[string]error{
		`Access to the path 'C:\Denied\x' is denied`: put(winrmtest.Denied+`\x`, ""),
		"is a folder":          put("c:/folder", ""),
		"can't be given":       put("c:/x", "web"),
		"Could not find file":  conn.Get(t.Context(), "c:/none", t.TempDir()+"/x"),
		"Could not find file ": conn.Get(t.Context(), "c:/none/", t.TempDir()+"/x"),
	} {
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), winrmtest.User+"@") {
			t.Errorf("error %v, want %q", err, want)
		}
	}
	changed := op.Text(secret.Plain("one"))
	changed.Digest = "00"
	if err := conn.Put(t.Context(), op.File{Path: "c:/x", Blob: changed}); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("error %v", err)
	}
	if missing(s, "c:/x") != nil {
		t.Error("a part of a file is there")
	}
}

func TestTree(t *testing.T) {
	t.Parallel()
	conn, s := connect(t, winrmtest.Options{})
	dir := t.TempDir()
	for name, content := range map[string]string{"a": "1", "sub/b": "2", "sub/deep/c": ""} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "empty"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	tree, err := op.DirTree(`C:\app`, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.Tree(t.Context(), tree); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"a": "1", "sub/b": "2", "sub/deep/c": "", "link": "1"} {
		got, err := os.ReadFile(s.Path("c:/app/" + name))
		if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if missing(s, "c:/app/empty") == nil {
		t.Error("an empty folder is missing")
	}
	back := t.TempDir()
	if err := conn.Get(t.Context(), `C:\app\`, back); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(back, "sub", "b")); err != nil || string(got) != "2" {
		t.Errorf("came back as %q, %v", got, err)
	}
}

func TestLiteral(t *testing.T) {
	t.Parallel()
	if got := winrm.Literal("it's ‘so’"); got != "'it''s ‘‘so’’'" {
		t.Error(got)
	}
}
