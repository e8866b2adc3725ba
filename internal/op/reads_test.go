package op

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ingot-build/ingot/internal/secret"
)

func TestReadTree(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, name := range []string{"tree/a", "tree/below/b", "tree/left/c", "elsewhere/d"} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"link": "../elsewhere", "below/loop": "..", "nothing": "none"} {
		if err := os.Symlink(to, filepath.Join(dir, "tree", name)); err != nil {
			t.Fatal(err)
		}
	}
	read := func() *Tree {
		tree, err := ReadTree(filepath.Join(dir, "tree"), func(name string, isDir bool) bool { return isDir && name == "left" })
		if err != nil {
			t.Fatal(err)
		}
		return tree
	}
	tree := read()
	var names []string
	for _, e := range tree.Entries {
		names = append(names, e.Name)
	}
	if want := []string{"a", "below/b", "link/d"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
	if err := os.WriteFile(filepath.Join(dir, "elsewhere/d"), []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if read().Digest == tree.Digest {
		t.Error("a file behind a link does not count")
	}
	tree = read()
	if err := os.Chmod(filepath.Join(dir, "tree/a"), 0o640); err != nil {
		t.Fatal(err)
	}
	if read().Digest != tree.Digest {
		t.Error("what a umask leaves counts")
	}
	if err := os.Chmod(filepath.Join(dir, "tree/a"), 0o740); err != nil {
		t.Fatal(err)
	}
	if read().Digest == tree.Digest {
		t.Error("that a file is a program does not count")
	}
	if _, err := ReadTree(filepath.Join(dir, "none"), nil); err == nil {
		t.Error("no error for a folder that is not there")
	}
}

// How a program gets to the machine does not change what it does.
func TestConnectionInKey(t *testing.T) {
	t.Parallel()
	auto := &Local{Argv: []string{"play"}, Connection: &Connection{Route: RouteAuto}}
	proxied := &Local{Argv: []string{"play"}, Connection: &Connection{Route: RouteProxy, Proxy: Proxy{Port: 9}}}
	alone := &Local{Argv: []string{"play"}}
	if Hash([]Op{auto}) != Hash([]Op{proxied}) {
		t.Error("the route counts")
	}
	if Hash([]Op{auto}) == Hash([]Op{alone}) || auto.Kind() != KindConnected || alone.Kind() != KindLocal {
		t.Error("that there is a connection does not count")
	}
}

func TestBindConnection(t *testing.T) {
	t.Parallel()
	o := &Local{Connection: &Connection{User: Token("build.User")}}
	bound := Bind([]Op{o}, Values{"build.User": secret.Plain("admin")})[0].(*Local)
	if bound.Connection.User != "admin" || o.Connection.User == "admin" {
		t.Errorf("bound %q, was %q", bound.Connection.User, o.Connection.User)
	}
}
