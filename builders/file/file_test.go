package file

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/buildertest"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

func open(t *testing.T, dir string, c Config) builders.Builder {
	t.Helper()
	b, err := c.Open(builders.Host{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestConformance(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	buildertest.Run(t, buildertest.Harness{
		New: func(t *testing.T) builders.Builder {
			return open(t, dir, Config{Target: "out/a.txt", Content: secret.Plain("hello")})
		},
	})
}

func TestMake(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "from"), []byte("copied"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		config Config
		text   string
		mode   os.FileMode
	}{
		{Config{Target: "a", Content: secret.Plain("text\n")}, "text\n", 0o600},
		{Config{Target: "b/c", Source: "from"}, "copied", 0o644},
		{Config{Target: filepath.Join(dir, "d")}, "", 0o600},
	} {
		b := open(t, dir, c.config)
		base, err := b.Resolve(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s, err := b.Begin(t.Context(), base, builders.Env{})
		if err != nil {
			t.Fatal(err)
		}
		a, err := s.Seal(t.Context())
		if err := errors.Join(err, s.Close(t.Context())); err != nil {
			t.Fatal(err)
		}
		path := b.(removing).place.path(c.config.Target)
		text, err := os.ReadFile(path)
		st, serr := os.Stat(path)
		if err := errors.Join(err, serr); err != nil || string(text) != c.text || st.Mode().Perm() != c.mode || a.Files[0].Path != c.config.Target {
			t.Errorf("%s: %q, %v, %v, %+v", path, text, st.Mode(), err, a)
		}
		if there, err := b.Exists(t.Context(), a); !there || err != nil {
			t.Errorf("%s is not there: %v", path, err)
		}
		if err := os.WriteFile(path, []byte("changed"), 0o600); err != nil {
			t.Fatal(err)
		}
		if there, err := b.Exists(t.Context(), a); there || err != nil {
			t.Errorf("%s was changed: %v", path, err)
		}
		for range 2 {
			if err := b.(builders.Remover).Remove(t.Context(), a, false); err != nil {
				t.Error(err)
			}
		}
		if there, err := b.Exists(t.Context(), a); there || err != nil {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, c := range []struct {
		config       Config
		option, want string
	}{
		{Config{}, "target", "must not be empty"},
		{Config{Target: dir}, "target", "is a folder"},
		{Config{Target: "a", Source: "b", Content: secret.Plain("c")}, "content", "beside source"},
		{Config{Target: "a", Source: "none"}, "source", "no such file"},
		{Config{Target: "a", Source: "."}, "source", "is not a file"},
	} {
		_, err := c.config.Open(builders.Host{Dir: dir})
		var oe *component.OptionError
		if !errors.As(err, &oe) || oe.Option != c.option || !strings.Contains(oe.Message, c.want) {
			t.Errorf("%+v: %v", c.config, err)
		}
	}
	if err := open(t, dir, Config{Target: "a"}).Supports(op.KindExec); err == nil {
		t.Error("runs commands")
	}
}
