// Package parity checks that a template means the same wherever it is baked:
// the same ops, over SSH and through BuildKit, leave the same file tree.
package parity

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/container"
	"github.com/ingot-build/ingot/builders/container/buildkitd"
	"github.com/ingot-build/ingot/builders/null"
	"github.com/ingot-build/ingot/internal/bootstrap"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/sshtest"
)

var cache string // of all tests: one base, one daemon

// basesEnv names a folder that bases are kept in between test runs.
const basesEnv = "INGOT_TEST_BASES"

// TestMain lets the test program be the supervisor of the daemon, and stops
// the daemon at the end.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == buildkitd.Command {
		if err := buildkitd.Supervise(context.Background(), os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	code, err := runTests(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func runTests(m *testing.M) (code int, err error) {
	if cache, err = os.MkdirTemp("", "ingot-parity-"); err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(cache)) }()
	if bases := os.Getenv(basesEnv); bases != "" {
		if err := os.Symlink(bases, filepath.Join(cache, "bases")); err != nil {
			return 1, err
		}
	}
	bin, err := filepath.Abs("../../bin")
	if err != nil {
		return 1, err
	}
	os.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	os.Unsetenv("BUILDKIT_HOST")
	code = m.Run()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return code, buildkitd.Stop(ctx, filepath.Join(cache, "buildkit"))
}

// makeBase makes the container's base image, once, and says why it can't.
var makeBase = sync.OnceValue(func() error {
	b, err := containerBuilder(os.TempDir(), filepath.Join(cache, "layout"))
	if err != nil {
		return err
	}
	base, err := b.Resolve(context.Background())
	if err != nil {
		return err
	}
	s, err := b.Begin(context.Background(), base, builders.Env{RunID: "parity"})
	if err != nil {
		return err
	}
	return s.Close(context.Background())
})

func containerBuilder(dir, layout string) (builders.Builder, error) {
	c := container.Definition().New().(*container.Config)
	c.Bootstrap = &container.Bootstrap{Suite: "bookworm"}
	c.Discard = true
	return c.Open(builders.Host{Dir: dir, Cache: cache, Layout: layout, Secrets: &secret.Set{}})
}

func machineBuilder(dir string, s *sshtest.Server) (builders.Builder, error) {
	c := null.Definition().New().(*null.Config)
	c.Host, c.Port, c.Username, c.PrivateKeyFile = s.Host, s.Port, s.User, s.KeyFile
	return c.Open(builders.Host{Dir: dir, Secrets: &secret.Set{}})
}

// need ends the test where a part is missing.
func need(t *testing.T) {
	t.Helper()
	for _, name := range []string{"mmdebstrap", "buildkitd", "runc"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Skipf("cannot run here: %v", err)
		}
	}
	if err := makeBase(); errors.Is(err, bootstrap.ErrOffline) {
		t.Skipf("cannot run here: %v", err)
	} else if err != nil {
		t.Fatal(err)
	}
}

// TestParity carries out each list of steps both ways in a folder of the same
// path, and compares what is in it and what was printed.
func TestParity(t *testing.T) {
	t.Parallel()
	need(t)
	server := sshtest.Run(t, sshtest.Options{})
	for _, c := range cases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.root && os.Geteuid() != 0 {
				t.Skip("cannot run here: the machine's user must be root")
			}
			root := filepath.Join(t.TempDir(), "root")
			steps := c.steps(t, root)
			machine, err := machineBuilder(t.TempDir(), server)
			if err != nil {
				t.Fatal(err)
			}
			image, err := containerBuilder(t.TempDir(), filepath.Join(t.TempDir(), "layout"))
			if err != nil {
				t.Fatal(err)
			}
			overSSH, inBuildKit := carryOut(t, machine, root, steps), carryOut(t, image, root, steps)
			if diff := cmp.Diff(overSSH, inBuildKit); diff != "" {
				t.Errorf("over SSH (-), through BuildKit (+):\n%s", diff)
			}
			if c.want != "" && !strings.Contains(strings.Join(overSSH.Tree, "\n"), c.want) {
				t.Errorf("%q is not in the tree:\n%s", c.want, strings.Join(overSSH.Tree, "\n"))
			}
		})
	}
}

// outcome is what a list of steps came to.
type outcome struct {
	Failed         []string // the error of each step
	Stdout, Stderr []string
	Tree           []string // a line for each name, with its type, mode, owner and content
}

// carryOut applies the steps in a session of their own.
func carryOut(t *testing.T, b builders.Builder, root string, steps [][]op.Op) outcome {
	t.Helper()
	ctx := t.Context()
	base, err := b.Resolve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	out := &printed{}
	s, err := b.Begin(ctx, base, builders.Env{RunID: "parity", Log: event.Log{Sink: out}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := s.Close(context.WithoutCancel(ctx)); err != nil {
			t.Error(err)
		}
	}()
	var o outcome
	apply := func(ops []op.Op) error {
		return s.Apply(ctx, builders.Step{Name: "step", Ops: op.Bind(ops, s.Vars()), Where: "parity.pkr.hcl:1", Fresh: true})
	}
	for _, ops := range steps {
		o.Failed = append(o.Failed, errorText(apply(ops)))
	}
	o.Stdout, o.Stderr = out.take()
	if err := apply([]op.Op{&op.Exec{Argv: []string{"/bin/sh", "-c", list, "list", root}}}); err != nil {
		t.Fatal(err)
	}
	var stderr []string
	o.Tree, stderr = out.take()
	if len(stderr) > 0 {
		t.Errorf("list the tree: %q", stderr)
	}
	return o
}

// list prints a folder's tree. Sizes of folders and times of files are those
// of the machine, and do not count.
const list = `
LC_ALL=C; export LC_ALL
[ -d "$1" ] || { echo "no folder"; exit 0; }
cd "$1"
find . -type d -printf '%P d %m %U:%G\n' -o -type l -printf '%P l %l %U:%G\n' -o -printf '%P %y %m %U:%G %s\n' | sort
find . -type f -print0 | sort -z | xargs -0 -r sha256sum
`

func errorText(err error) string {
	var exit *builders.ExitError
	switch {
	case err == nil:
		return ""
	case errors.As(err, &exit):
		return fmt.Sprintf("exit code %d", exit.Code)
	}
	return "error"
}

// printed keeps what commands print.
type printed struct {
	mu             sync.Mutex
	stdout, stderr []string
}

// Emit keeps a line of output.
func (p *printed) Emit(e event.Event) {
	o, ok := e.Body.(event.Output)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if o.Stderr {
		p.stderr = append(p.stderr, o.Text)
	} else {
		p.stdout = append(p.stdout, o.Text)
	}
}

func (p *printed) take() (stdout, stderr []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	stdout, stderr = p.stdout, p.stderr
	p.stdout, p.stderr = nil, nil
	return stdout, stderr
}
