package registry

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// quick are the times of leases of tests, where nobody is far away.
func quick(r *Registry) *Registry {
	if s, ok := r.store.(*remoteStore); ok {
		s.times = leaseTimes{beat: 200 * time.Millisecond, dead: 4 * time.Second, look: 50 * time.Millisecond, leave: 10 * time.Second, seat: 100 * time.Millisecond}
	}
	return r
}

// leaseholder is the main function of a process that wants a lease: it says
// so, says whom it waits for, that it holds it, and holds it until its standard
// input ends.
func leaseholder(address, layoutDir, name string) error {
	r, err := Open(address, layoutDir)
	if err != nil {
		return err
	}
	quick(r)
	// Opened first, it is closed first when the process is killed.
	witness, err := os.OpenFile(filepath.Join(filepath.Dir(layoutDir), "witness"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	for {
		release, err := r.Lease(context.Background(), "web", keyOf("one"), name, func(holder string) { fmt.Println("waits for", holder) })
		if err != nil {
			return err
		}
		if release == nil {
			fmt.Println("looks")
			continue
		}
		if err := syscall.Flock(int(witness.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
			fmt.Println("twice", err)
		}
		fmt.Println("holds")
		_, err = io.Copy(io.Discard, os.Stdin)
		err = errors.Join(err, witness.Close())
		release()
		return err
	}
}

// holder is a process that wants a lease.
type holder struct {
	*exec.Cmd
	in    io.Closer
	lines chan string
}

func startHolder(t *testing.T, r *Registry, name string) *holder {
	t.Helper()
	address := ""
	if r.Remote() {
		address = r.Address()
	}
	h := &holder{Cmd: child(t, "lease", address, r.Layout(), name), lines: make(chan string, 1000)}
	in, err1 := h.StdinPipe()
	out, err2 := h.StdoutPipe()
	h.Stderr = os.Stderr
	if err := errors.Join(err1, err2, h.Start()); err != nil {
		t.Fatal(err)
	}
	h.in = in
	go func() {
		defer close(h.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			h.lines <- lines.Text()
		}
	}()
	t.Cleanup(func() {
		_ = h.Process.Kill()
		_ = h.Wait()
	})
	return h
}

// until reads lines up to one that begins so.
func (h *holder) until(t *testing.T, start string) string {
	t.Helper()
	for {
		select {
		case line, ok := <-h.lines:
			if !ok {
				t.Fatalf("it ended before it said %q", start)
			}
			if strings.HasPrefix(line, start) {
				return line
			}
		case <-t.Context().Done():
			t.Fatalf("it did not say %q", start)
		}
	}
}

// A process that is killed lets go, and so does one that is done.
func TestLeaseOfProcesses(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		first := startHolder(t, r, "first")
		first.until(t, "holds")
		second := startHolder(t, r, "second")
		if got := second.until(t, "waits for"); got != "waits for first" {
			t.Errorf("second %s", got)
		}
		if err := first.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		second.until(t, "holds")
		third := startHolder(t, r, "third")
		third.until(t, "waits for second")
		second.in.Close()
		third.until(t, "holds")
		third.in.Close()
		if err := third.Wait(); err != nil {
			t.Error(err)
		}
		checkNoLeases(t, r)
	})
}

// checkNoLeases checks that all who were done took back what they had written.
func checkNoLeases(t *testing.T, r *Registry) {
	t.Helper()
	repo, err := r.repository("web")
	if err != nil {
		t.Fatal(err)
	}
	tags, err := repo.tags(context.Background())
	files, _ := filepath.Glob(filepath.Join(r.Layout(), "leases", "*"))
	tags = slices.DeleteFunc(tags, func(t string) bool { return !strings.HasPrefix(t, leasePrefix) })
	if err != nil || len(tags)+len(files) > 0 {
		t.Errorf("left: tags %v, files %v, %v", tags, files, err)
	}
}

// Many processes: never two at once, and each has its turn, though some are
// killed while they hold the lease.
func TestLeaseOfMany(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		const holders, killed = 10, 4
		type said struct {
			h    *holder
			text string
		}
		all := make(chan said, 1000)
		for i := range holders {
			h := startHolder(t, r, fmt.Sprint("p", i))
			go func() {
				for line := range h.lines {
					all <- said{h, line}
				}
				all <- said{h, "ended"}
			}()
		}
		turns := 0
		for left := holders; left > 0; {
			switch s := <-all; s.text {
			case "twice":
				t.Errorf("%s held it beside another", s.h.Args[3])
			case "holds":
				if turns++; turns%killed == 0 {
					_ = s.h.Process.Kill()
				}
				s.h.in.Close()
			case "ended":
				left--
			}
		}
		if turns != holders {
			t.Errorf("%d turns, want %d", turns, holders)
		}
	})
}

// Waiting ends with the context, and does not keep the lease.
func TestLeaseCancelled(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		quick(r)
		never := func(holder string) { t.Errorf("waits for %s", holder) }
		release, err := r.Lease(t.Context(), "web", keyOf("one"), "first", never)
		if err != nil || release == nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		_, err = r.Lease(ctx, "web", keyOf("one"), "second", func(holder string) {
			if holder != "first" {
				t.Errorf("waits for %s", holder)
			}
			cancel()
		})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
		// Others are not in its way.
		for _, other := range []struct{ bucket, key string }{{"web", "two"}, {"api", "one"}} {
			end, err := r.Lease(t.Context(), other.bucket, keyOf(other.key), "third", never)
			if err != nil || end == nil {
				t.Fatal(err)
			}
			end()
		}
		release()
		release, err = r.Lease(t.Context(), "web", keyOf("one"), "fourth", func(string) {})
		if err != nil {
			t.Fatal(err)
		}
		if release != nil {
			release()
		}
		versions, err := r.Versions(t.Context(), "web")
		if err != nil || len(versions) > 0 {
			t.Errorf("versions %v, %v", versions, err)
		}
	})
}
