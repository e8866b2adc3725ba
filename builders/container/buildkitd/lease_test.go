package buildkitd

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/moby/buildkit/client"
)

// TestMain lets the test program be the supervisor.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Command {
		if err := Supervise(context.Background(), os.Args[2:]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// folder returns a folder for a daemon that is stopped when the test ends.
func folder(t *testing.T) string {
	t.Helper()
	if _, err := findTools(); err != nil {
		t.Skipf("cannot run here: %v", err)
	}
	dir := t.TempDir()
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := Stop(ctx, dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

func workers(t *testing.T, l *Lease) {
	t.Helper()
	c, err := client.New(t.Context(), "", client.WithContextDialer(l.Dial))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	list, err := c.ListWorkers(t.Context())
	if err != nil || len(list) != 1 {
		t.Fatalf("workers: %v, %v", list, err)
	}
}

func supervisor(t *testing.T, dir string) int {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, pidName))
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		t.Fatal(err)
	}
	return pid
}

// Many who need the daemon at once share one.
func TestUseTogether(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	var wg sync.WaitGroup
	leases := make([]*Lease, 8)
	for i := range leases {
		wg.Go(func() {
			l, err := Use(t.Context(), dir)
			if err != nil {
				t.Error(err)
				return
			}
			leases[i] = l
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	pid := supervisor(t, dir)
	for _, l := range leases {
		workers(t, l)
		if err := l.Release(); err != nil {
			t.Error(err)
		}
	}
	if again := supervisor(t, dir); again != pid {
		t.Errorf("supervisor %d was replaced by %d", pid, again)
	}
}

// A supervisor that was killed takes the daemon with it; the next user gets a
// new one.
func TestUseAfterKill(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(folder(t), "a-name-that-is-long-enough-to-make-the-path-of-the-socket-longer-than-an-address-of-a-unix-socket-may-be")
	l, err := Use(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = Stop(context.Background(), dir) })
	pid := supervisor(t, dir)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(time.Minute); l.alive(t.Context()); {
		select {
		case <-deadline:
			t.Fatal("the daemon outlives its supervisor")
		case <-time.After(retry):
		}
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	if l, err = Use(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	workers(t, l)
	if again := supervisor(t, dir); again == pid {
		t.Error("the supervisor was not replaced")
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
}

// The daemon outlives the temporary folder of who started it.
func TestOwnTemp(t *testing.T) {
	dir := folder(t)
	t.Setenv("TMPDIR", t.TempDir())
	l, err := Use(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Release()
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	want := []byte("TMPDIR=" + filepath.Join(dir, tempName) + "\x00")
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil || !bytes.Contains(text, []byte(filepath.Join(dir, "root"))) || bytes.Contains(text, []byte(Command)) {
			continue
		}
		if env, err := os.ReadFile(filepath.Join(filepath.Dir(f), "environ")); err != nil || !bytes.Contains(env, want) {
			t.Errorf("environment of the daemon: %q, %v", env, err)
		}
		return
	}
	t.Error("no daemon runs")
}

// A daemon that nobody uses stops; one that is used does not.
func TestIdle(t *testing.T) {
	t.Setenv(IdleEnv, "300ms")
	dir := folder(t)
	l, err := Use(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	pid := supervisor(t, dir)
	time.Sleep(time.Second) // more than the idle time
	workers(t, l)
	if again := supervisor(t, dir); again != pid {
		t.Errorf("supervisor %d was replaced by %d", pid, again)
	}
	if err := l.Release(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.After(time.Minute); ; {
		if _, err := os.Stat(filepath.Join(dir, pidName)); os.IsNotExist(err) {
			return
		}
		select {
		case <-deadline:
			t.Fatal("the daemon did not stop")
		case <-time.After(retry):
		}
	}
}
