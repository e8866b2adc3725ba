package localexec_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/localexec"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

func run(t *testing.T, ctx context.Context, l *op.Local) ([]string, error) {
	t.Helper()
	var got []string
	err := localexec.Run(ctx, l, func(line string, stderr bool) {
		if stderr {
			line = "stderr: " + line
		}
		got = append(got, line)
	})
	return got, err
}

func TestRun(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, test := range map[string]struct {
		op   op.Local
		want []string
		code int // -1 for success
	}{
		"output":      {op.Local{Argv: []string{"sh", "-c", "echo a; echo b >&2"}}, []string{"a", "stderr: b"}, -1},
		"env":         {op.Local{Argv: []string{"sh", "-c", `echo "$A"`}, Env: map[string]secret.String{"A": secret.Sensitive("x y")}}, []string{"x y"}, -1},
		"folder":      {op.Local{Argv: []string{"pwd"}, Dir: dir}, []string{dir}, -1},
		"no input":    {op.Local{Argv: []string{"cat"}}, nil, -1},
		"exit code":   {op.Local{Argv: []string{"sh", "-c", "exit 3"}}, nil, 3},
		"accepted":    {op.Local{Argv: []string{"sh", "-c", "exit 3"}, OK: []int{0, 3}}, nil, -1},
		"not success": {op.Local{Argv: []string{"true"}, OK: []int{3}}, nil, 0},
		"signal":      {op.Local{Argv: []string{"sh", "-c", "kill -KILL $$"}}, nil, 137},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := run(t, t.Context(), &test.op)
			slices.Sort(got) // the two streams are read side by side
			if !slices.Equal(got, test.want) {
				t.Errorf("output %q, want %q", got, test.want)
			}
			var exit *builders.ExitError
			switch {
			case test.code < 0 && err != nil:
				t.Errorf("error %v", err)
			case test.code >= 0 && (!errors.As(err, &exit) || exit.Code != test.code):
				t.Errorf("error %v, want exit code %d", err, test.code)
			}
		})
	}
}

func TestInputs(t *testing.T) {
	t.Parallel()
	path := op.Token(op.LocalDir) + "/sub/script"
	l := &op.Local{
		Argv:   []string{"sh", "-c", path + "; stat -c %a " + path + "; echo " + path},
		Inputs: []op.File{{Path: path, Blob: op.Text(secret.Plain("#!/bin/sh\necho from $0\n"))}},
	}
	got, err := run(t, t.Context(), l)
	if err != nil || len(got) != 3 || got[1] != "700" || got[0] != "from "+got[2] {
		t.Fatalf("output %q, error %v", got, err)
	}
	if _, err := os.Stat(filepath.Dir(filepath.Dir(got[2]))); !os.IsNotExist(err) {
		t.Errorf("the folder is still there: %v", err)
	}
}

func TestInputOutside(t *testing.T) {
	t.Parallel()
	for _, path := range []string{"/etc/ingot-test", op.Token(op.LocalDir) + "/../ingot-test", "ingot-test"} {
		_, err := run(t, t.Context(), &op.Local{Argv: []string{"true"}, Inputs: []op.File{{Path: path}}})
		if err == nil || !strings.Contains(err.Error(), "outside") {
			t.Errorf("%s: error %v", path, err)
		}
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	if _, err := run(t, t.Context(), &op.Local{Argv: []string{"/no/such/command"}}); err == nil {
		t.Error("no error")
	}
	if _, err := run(t, t.Context(), &op.Local{}); err == nil {
		t.Error("no error for no command")
	}
}

// TestCancel checks that what the command started dies with it.
func TestCancel(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var child int
	l := &op.Local{Argv: []string{"sh", "-c", `trap "" TERM; sh -c 'trap "" TERM; echo $$; sleep 1000' & wait`}}
	err := localexec.Run(ctx, l, func(line string, _ bool) {
		child, _ = strconv.Atoi(line)
		cancel()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	for range 1000 {
		if !alive(child) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("process %d is still there", child)
}

// alive reports whether the process runs; one that waits to be reaped does not.
func alive(pid int) bool {
	stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return syscall.Kill(pid, 0) == nil
	}
	_, rest, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// Scripts are run while those of other builds are being written: a process
// started meanwhile must not keep one open for writing.
func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	path := op.Token(op.LocalDir) + "/script"
	l := &op.Local{Argv: []string{path}, Inputs: []op.File{{Path: path, Blob: op.Text(secret.Plain("#!/bin/sh\nexit 0\n"))}}}
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			for range 10 {
				if err := localexec.Run(t.Context(), l, func(string, bool) {}); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}
