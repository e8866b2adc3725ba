package buildertest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// place returns a folder of the machine that no other session uses.
func (s *session) place() string {
	dir := "/tmp/ingot-files-" + s.s.Vars()[op.Scratch].Reveal()
	s.t.Cleanup(func() {
		// On a machine that stays, nothing of the test should.
		_ = s.apply(s.t.Context(), s.shell("rm -rf "+dir))
	})
	return dir
}

func testPut(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	dir := s.place()
	name := dir + "/a folder/it's a file"
	s.must(&op.Put{File: op.File{Path: name, Mode: 0o750, Blob: op.Text(secret.Plain("first"))}})
	s.want(`cat "`+name+`"; echo; stat -c %a "`+name+`"`, "first\n750")
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, []byte(strings.Repeat("x", 1<<20)+"\x00end"), 0o600); err != nil {
		t.Fatal(err)
	}
	blob, err := op.FileBlob(file)
	if err != nil {
		t.Fatal(err)
	}
	s.must(&op.Put{File: op.File{Path: name, Blob: blob}}) // replaces
	s.want(`wc -c <"`+name+`"; stat -c %a "`+name+`"; ls -A "`+dir+`/a folder"`, "1048580\n644\nit's a file")
	s.must(&op.Put{File: op.File{Path: dir + "/empty", Blob: op.Text(secret.Plain(""))}})
	s.want("stat -c %s "+dir+"/empty", "0")
}

// makeTree writes a tree on this host.
func makeTree(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, mode := range map[string]os.FileMode{"bin/run": 0o755, "etc/conf": 0o640, "plain": 0o644, "bin/with space": 0o600} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name+"\n"), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(file, mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range []error{
		os.Mkdir(filepath.Join(dir, "none"), 0o700), os.Chmod(filepath.Join(dir, "none"), 0o700),
		os.Symlink("bin/run", filepath.Join(dir, "link")), os.Symlink("/no/where", filepath.Join(dir, "broken")),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const treeListing = `755 bin
600 bin/with space
755 bin/run
640 etc/conf
700 none
644 plain
broken -> /no/where
link -> bin/run
bin/run`

const listTree = ` && stat -c '%a %n' bin 'bin/with space' bin/run etc/conf none plain &&
	echo "broken -> $(readlink broken)" && echo "link -> $(readlink link)" && cat link`

func testTree(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	dir := s.place() + "/deep/down"
	tree, err := op.DirTree(dir, makeTree(t))
	if err != nil {
		t.Fatal(err)
	}
	s.must(tree)
	s.want("cd "+dir+listTree, treeListing)
	s.want("cd "+dir+" && stat -c %u:%g plain", s.output("id -u")+":"+s.output("id -g"))
}

func testTreeMerges(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	dir := s.place()
	s.must(s.shell("mkdir -p " + dir + "/real && chmod 711 " + dir + " && ln -s real " + dir + "/bin && echo old >" + dir + "/plain && echo other >" + dir + "/other"))
	tree, err := op.DirTree(dir, makeTree(t))
	if err != nil {
		t.Fatal(err)
	}
	s.must(tree)
	s.want("cd "+dir+" && cat plain other && stat -c %a . && ls real && readlink bin", "plain\nother\n711\nrun\nwith space\nreal")
}

func testGet(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	dir := s.place()
	s.must(s.shell("mkdir -p " + dir + "/sub && echo one >" + dir + "/one && echo two >" + dir + "/sub/two && chmod 755 " + dir + "/sub/two && ln -s one " + dir + "/link"))
	to := filepath.Join(t.TempDir(), "new", "file")
	s.must(&op.Get{Path: dir + "/one", Local: to})
	wantFile(t, to, "one\n")
	all := filepath.Join(t.TempDir(), "all")
	s.must(&op.Get{Path: dir + "/", Local: all})
	wantFile(t, filepath.Join(all, "one"), "one\n")
	wantFile(t, filepath.Join(all, "link"), "one\n")
	wantFile(t, filepath.Join(all, "sub", "two"), "two\n")
	if st, err := os.Stat(filepath.Join(all, "sub", "two")); err == nil && st.Mode().Perm() != 0o755 {
		t.Errorf("mode %o, want 755", st.Mode().Perm())
	}
}

// A link that the machine had in a folder does not lead what it has there later
// out of the folder on this host.
func testGetEscape(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	dir := s.place()
	outside, to := t.TempDir(), filepath.Join(t.TempDir(), "to")
	s.must(s.shell("mkdir -p " + dir + " && ln -s " + outside + " " + dir + "/sub"))
	s.must(&op.Get{Path: dir + "/", Local: to})
	s.must(s.shell("rm " + dir + "/sub && mkdir " + dir + "/sub && echo bad >" + dir + "/sub/file"))
	if err := s.apply(t.Context(), &op.Get{Path: dir + "/", Local: to}); err == nil {
		t.Error("no error")
	}
	if got, err := os.ReadDir(outside); err != nil || len(got) > 0 {
		t.Errorf("outside: %v, %v", got, err)
	}
}

func testCapture(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	dir := s.place()
	s.must(s.shell("mkdir -p " + dir + " && echo there >" + dir + "/one"))
	to := filepath.Join(t.TempDir(), "out")
	run := func(script string) *op.Capture {
		return &op.Capture{Local: to, Run: &op.Exec{Argv: []string{"/bin/sh", "-c", script}, Title: "a look"}}
	}
	s.must(run("cat " + dir + "/one; echo; echo noise >&2; printf 'a\tb\n'"))
	wantFile(t, to, "there\n\na\tb\n")
	var exit *builders.ExitError
	if err := s.apply(t.Context(), run("exit 3")); !errors.As(err, &exit) || exit.Code != 3 || exit.Command != "a look" {
		t.Errorf("error %v, want the exit code 3 of a look", err)
	}
	s.want("cat "+dir+"/one", "there")
}

func wantFile(t *testing.T, path, want string) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != want {
		t.Errorf("%s: %q, %v; want %q", filepath.Base(path), got, err, want)
	}
}

func testGetMissing(t *testing.T, h Harness) {
	s := begin(t, h.New(t))
	dir := t.TempDir()
	if err := s.apply(t.Context(), &op.Get{Path: "/no/such/file", Local: filepath.Join(dir, "file")}); err == nil {
		t.Error("no error for a file that is not there")
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left on this host: %v, %v", left, err)
	}
}
