package container

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/container/buildkitd"
	"github.com/ingot-build/ingot/builders/container/inside"
	"github.com/ingot-build/ingot/internal/bootstrap"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

var cache string // of the test run: one daemon and one base for all tests

// basesEnv names a folder that bases are kept in between test runs.
const basesEnv = "INGOT_TEST_BASES"

// TestMain lets the test program be the supervisor of the daemon, and the
// process inside of a container, and stops the daemon at the end.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == buildkitd.Command {
		if err := buildkitd.Supervise(context.Background(), os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	if len(os.Args) > 1 && os.Args[1] == inside.Command {
		code, err := inside.Run(context.Background())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(code)
	}
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingot-container-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	cache = dir
	if bin, err := filepath.Abs("../../bin"); err == nil {
		os.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	}
	if bases := os.Getenv(basesEnv); bases != "" {
		if err := os.Symlink(bases, filepath.Join(dir, "bases")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	os.Unsetenv(hostEnv)
	os.Setenv("DOCKER_CONFIG", filepath.Join(dir, "docker"))
	code := m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	err = errors.Join(buildkitd.Stop(ctx, filepath.Join(dir, "buildkit")), os.RemoveAll(dir))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// recorder keeps the events of a build.
type recorder struct {
	mu    sync.Mutex
	lines []string
	warns []string
}

func (r *recorder) Emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch b := e.Body.(type) {
	case event.Output:
		r.lines = append(r.lines, b.Text)
	case event.Warning:
		r.warns = append(r.warns, b.Text)
	}
}

func (r *recorder) output() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.lines)
}

func (r *recorder) has(text string) bool {
	return strings.Contains(strings.Join(r.output(), "\n"), text)
}

// await waits until a line was printed.
func (r *recorder) await(text string) {
	for !r.has(text) {
		time.Sleep(10 * time.Millisecond)
	}
}

// bench is a builder under test, with what it works in.
type bench struct {
	t *testing.T
	*recorder
	host    builders.Host
	builder builders.Builder
}

var debian = sync.OnceValues(func() (bootstrap.Base, error) {
	store, spec := bootstrap.Store{Dir: filepath.Join(cache, "bases")}, (&bootstrapSource{builder: &builder{opts: opened(nil, debianConfig())}}).spec()
	base, err := store.Resolve(context.Background(), spec)
	if err == nil {
		_, err = store.Get(context.Background(), base.ID, spec, event.Log{})
	}
	return base, err
})

func debianConfig() *Config {
	c := Definition().New().(*Config)
	c.Bootstrap = &Bootstrap{Suite: "bookworm"}
	c.Commit = true
	return c
}

func opened(t *testing.T, c *Config) *options {
	b, err := c.Open(builders.Host{})
	if err != nil {
		if t == nil {
			panic(err)
		}
		t.Fatal(err)
	}
	if c, ok := b.(committing); ok {
		return c.opts
	}
	return b.(*builder).opts
}

// needDebian makes the base that tests share, once.
func needDebian(t *testing.T) {
	t.Helper()
	for _, name := range []string{"mmdebstrap", "buildkitd", "runc"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("cannot run here: %v", err)
		}
	}
	if _, err := debian(); errors.Is(err, bootstrap.ErrOffline) {
		t.Skipf("cannot run here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// newBench opens a configuration that starts from Debian; change may be nil.
func newBench(t *testing.T, change func(*Config)) *bench {
	t.Helper()
	needDebian(t)
	c := debianConfig()
	if change != nil {
		change(c)
	}
	b := &bench{t: t, recorder: &recorder{}, host: builders.Host{
		Dir: t.TempDir(), Cache: cache, Layout: filepath.Join(t.TempDir(), "layout"), Secrets: &secret.Set{},
	}}
	var err error
	if b.builder, err = c.Open(b.host); err != nil {
		t.Fatal(err)
	}
	return b
}

// begin starts a session that ends with the test.
func (b *bench) begin() builders.Session {
	b.t.Helper()
	s, err := b.tryBegin()
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) tryBegin() (builders.Session, error) {
	base, err := b.builder.Resolve(b.t.Context())
	if err != nil {
		return nil, err
	}
	s, err := b.builder.Begin(b.t.Context(), base, builders.Env{RunID: "test", Log: event.Log{Build: "docker.test", Sink: b.recorder}})
	if err != nil {
		return nil, err
	}
	b.t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil {
			b.t.Errorf("close: %v", err)
		}
	})
	return s, nil
}

// apply runs ops as one step, which must succeed.
func (b *bench) apply(s builders.Session, ops ...op.Op) {
	b.t.Helper()
	if err := try(b.t, s, ops...); err != nil {
		b.t.Fatal(err)
	}
}

func try(t *testing.T, s builders.Session, ops ...op.Op) error {
	return s.Apply(t.Context(), builders.Step{Name: "shell", Where: "t.pkr.hcl:1", Ops: op.Bind(ops, s.Vars())})
}

func sh(script string) *op.Exec { return &op.Exec{Argv: []string{"/bin/sh", "-c", script}} }
