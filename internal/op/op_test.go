package op

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/secret"
)

func TestHashCountsWhatChangesTheMachine(t *testing.T) {
	t.Parallel()
	exec := func(change func(*Exec)) key.Key {
		e := &Exec{Argv: []string{"true"}, Env: map[string]secret.String{"A": secret.Plain("1")},
			Inputs: []File{{Path: "/tmp/s", Blob: Text(secret.Plain("x"))}}}
		change(e)
		return Hash([]Op{e})
	}
	same := exec(func(*Exec) {})
	differ := map[string]func(*Exec){
		"argv":       func(e *Exec) { e.Argv = []string{"true", ""} },
		"env":        func(e *Exec) { e.Env["A"] = secret.Plain("2") },
		"dir":        func(e *Exec) { e.Dir = "/" },
		"user":       func(e *Exec) { e.User = "web" },
		"input":      func(e *Exec) { e.Inputs[0].Blob = Text(secret.Plain("y")) },
		"input mode": func(e *Exec) { e.Inputs[0].Mode = 0o755 },
		"ok":         func(e *Exec) { e.OK = []int{3} },
	}
	for name, change := range differ {
		if exec(change) == same {
			t.Errorf("%s does not count", name)
		}
	}
	alike := map[string]func(*Exec){
		"retry":        func(e *Exec) { e.StartRetry = time.Minute },
		"default mode": func(e *Exec) { e.Inputs[0].Mode = 0o644 },
	}
	for name, change := range alike {
		if exec(change) != same {
			t.Errorf("%s counts", name)
		}
	}
	if Hash([]Op{&Pause{For: time.Second}}) != Hash([]Op{&Pause{For: time.Hour}}) {
		t.Error("how long was waited counts")
	}
}

func TestTreeDigest(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) {
		t.Helper()
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	digest := func() string {
		t.Helper()
		tree, err := DirTree("/srv", dir)
		if err != nil {
			t.Fatal(err)
		}
		return tree.Digest
	}
	write("a", "1", 0o644)
	write("sub/b", "2", 0o644)
	if err := os.Symlink("a", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	first := digest()
	if digest() != first {
		t.Fatal("the digest of an unchanged folder changed")
	}
	if err := os.Chtimes(filepath.Join(dir, "a"), time.Now(), time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if digest() != first {
		t.Error("times count")
	}
	write("a", "1", 0o755)
	second := digest()
	if second == first {
		t.Error("modes do not count")
	}
	write("sub/b", "3", 0o644)
	if digest() == second {
		t.Error("contents do not count")
	}
	tree, err := DirTree("/srv", dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(tree.Entries) != 2 || tree.Entries[1].Name != "sub/b" || tree.Size != 2 {
		t.Errorf("entries %v, size %d", tree.Entries, tree.Size)
	}
	if _, err := DirTree("/srv", filepath.Join(dir, "a")); err == nil {
		t.Error("a file is no folder")
	}
}

func TestBind(t *testing.T) {
	t.Parallel()
	ops := []Op{
		&Exec{Argv: []string{"ping", Token("build.Host")}, Env: map[string]secret.String{"PASS": secret.Plain("p=" + Token("build.Password"))},
			Inputs: []File{{Path: "/tmp/s_" + Token(Scratch), Blob: Text(secret.Plain("echo " + Token("build.ID")))}}},
		&Put{File: File{Path: "/etc/host", Blob: Text(secret.Plain(Token("build.Password")))}},
		&Local{Argv: []string{"echo", Token(LocalDir), Token("build.User")}},
	}
	before := Hash(ops)
	out := Bind(ops, Values{
		"build.Host": secret.Plain("10.0.0.1"), "build.Password": secret.Sensitive("hunter2"),
		"build.ID": secret.Plain("i-1"), Scratch: secret.Plain("x7"),
	})
	e := out[0].(*Exec)
	if e.Argv[1] != "10.0.0.1" || e.Inputs[0].Path != "/tmp/s_x7" || text(t, e.Inputs[0].Blob) != "echo i-1" {
		t.Errorf("bound: %+v", e)
	}
	if v := e.Env["PASS"]; v.Reveal() != "p=hunter2" || !v.IsSensitive() {
		t.Errorf("a sensitive value must make the text sensitive: %#v", v)
	}
	if b := out[1].(*Put).File.Blob; !b.Sensitive() || text(t, b) != "hunter2" {
		t.Error("a sensitive value must make the blob sensitive")
	}
	if got := out[2].(*Local).Argv; got[1] != Token(LocalDir) || got[2] != Unknown {
		t.Errorf("without values there is %q: what the session does not know is unknown, the rest is bound by others", got)
	}
	if Hash(ops) != before {
		t.Error("Bind changed its input")
	}
}

func TestFileBlobOfNothing(t *testing.T) {
	t.Parallel()
	b, err := FileBlob(os.DevNull)
	if err != nil || b.Size != 0 || b.Path() != "" || b.Digest != Text(secret.Plain("")).Digest || text(t, b) != "" {
		t.Errorf("%+v, %v", b, err)
	}
	if _, err := FileBlob(t.TempDir()); err == nil || !strings.Contains(err.Error(), "is not a file") {
		t.Errorf("a folder: %v", err)
	}
}

func text(t *testing.T, b Blob) string {
	t.Helper()
	r, err := b.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	data, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
