package container

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/container/buildkitd"
)

// BUILDKIT_HOST is used where it is set, and what is wrong with it is said.
func TestBuildKitHost(t *testing.T) {
	needDebian(t)
	lease, err := buildkitd.Use(t.Context(), filepath.Join(cache, "buildkit"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = lease.Release() })
	t.Setenv(hostEnv, "unix://"+filepath.Join(cache, "buildkit", "buildkitd.sock"))
	b := newBench(t, nil)
	b.host.Cache = t.TempDir()
	if b.builder, err = debianConfig().Open(b.host); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(cache, "bases"), filepath.Join(b.host.Cache, "bases")); err != nil {
		t.Fatal(err)
	}
	b.apply(b.begin(), sh("echo on another daemon"))
	if _, err := os.Stat(filepath.Join(b.host.Cache, "buildkit")); err == nil {
		t.Error("the bundled daemon was started")
	}
	for address, want := range map[string]string{
		"unix:///no/such/socket": "BuildKit at unix:///no/such/socket does not answer",
		"tcp://127.0.0.1:1":      "does not answer",
	} {
		t.Setenv(hostEnv, address)
		_, err := b.tryBegin()
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "failed to") || builders.Hint(err) == "" {
			t.Errorf("%s: %v", address, err)
		}
	}
	t.Setenv(tlsDirEnv, t.TempDir())
	if _, err := b.tryBegin(); err == nil || !strings.Contains(err.Error(), "has none of [ca.pem ca.crt]") {
		t.Errorf("no certificates: %v", err)
	}
}

// Without the daemon's program, the error says how to get it.
func TestNoDaemon(t *testing.T) {
	needDebian(t)
	b := newBench(t, nil)
	b.host.Cache = t.TempDir()
	var err error
	if b.builder, err = debianConfig().Open(b.host); err != nil {
		t.Fatal(err)
	}
	base := builders.Base{ID: "x"}
	t.Setenv("PATH", t.TempDir())
	_, err = b.builder.Begin(t.Context(), base, builders.Env{})
	if err == nil || err.Error() != "buildkitd is neither beside the ingot program nor in $PATH" || !strings.Contains(builders.Hint(err), "make ") {
		t.Errorf("got %v (hint %q)", err, builders.Hint(err))
	}
}

// What one daemon has built, another takes from a cache that both can reach.
func TestCacheToFrom(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "exported")
	build := func(own string) (*bench, bool) {
		b := newBench(t, nil)
		c := debianConfig()
		c.CacheTo = []string{"type=local,mode=max,dest=" + dir}
		if own != cache {
			c.CacheTo, c.CacheFrom = nil, []string{"type=local,src=" + dir}
			if err := os.Symlink(filepath.Join(cache, "bases"), filepath.Join(own, "bases")); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := buildkitd.Stop(context.Background(), filepath.Join(own, "buildkit")); err != nil {
					t.Error(err)
				}
			})
		}
		b.host.Cache = own
		var err error
		if b.builder, err = c.Open(b.host); err != nil {
			t.Fatal(err)
		}
		s := b.begin()
		b.apply(s, sh("echo exporting; echo exported step > /exported"))
		cached := s.(builders.CacheReporter).LastStep().Cached
		b.apply(s, sh("cat /exported"))
		if _, err := s.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		return b, cached
	}
	if _, cached := build(cache); cached {
		t.Error("the first build was cached")
	}
	if b, cached := build(t.TempDir()); !cached || len(b.output()) != 0 {
		t.Errorf("the other daemon ran the step: %q", b.output())
	}
}
