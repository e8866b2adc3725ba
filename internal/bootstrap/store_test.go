package bootstrap

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/ingot-build/ingot/internal/event"
)

const mirror = "http://deb.debian.org/debian"

// sink keeps the output of mmdebstrap.
type sink struct {
	mu    sync.Mutex
	lines []string
	first chan struct{} // closed with the first line, where set
}

func (s *sink) Emit(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if o, ok := e.Body.(event.Output); ok {
		if s.first != nil && len(s.lines) == 0 {
			close(s.first)
		}
		s.lines = append(s.lines, o.Text)
	}
}

func (s *sink) count(text string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range s.lines {
		if strings.Contains(l, text) {
			n++
		}
	}
	return n
}

// reach skips the test where packages can't be had.
func reach(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("mmdebstrap"); err != nil {
		t.Skipf("cannot run here: %v", err)
	}
	spec := Spec{Suite: "bookworm", Mirror: mirror, Variant: "extract"}
	if _, err := spec.release(t.Context()); err != nil {
		t.Skipf("cannot run here: %v", err)
	}
}

// tiny is a base that is made in a few seconds: one package, only unpacked.
func tiny(mirror string) Spec {
	return Spec{Suite: "bookworm", Mirror: mirror, Variant: "extract", Packages: []string{"base-files"},
		Components: []string{"main"}, Arch: runtime.GOARCH}
}

// A base is made once by those who need it at once, and found without the
// mirror afterwards.
func TestGetOnceThenOffline(t *testing.T) {
	t.Parallel()
	reach(t)
	var down bool
	var mu sync.Mutex
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if down {
			panic(http.ErrAbortHandler)
		}
		resp, err := http.Get("http://deb.debian.org" + r.URL.Path)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}))
	defer proxy.Close()

	spec, store, out := tiny(proxy.URL+"/debian"), Store{Dir: t.TempDir()}, &sink{}
	base, err := store.Resolve(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	if entries, _ := os.ReadDir(store.Dir); len(entries) != 0 {
		t.Errorf("resolving made %v", entries)
	}
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if _, err := store.Get(t.Context(), base.ID, spec, event.Log{Sink: out}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := out.count("success in"); n != 1 {
		t.Errorf("mmdebstrap ran %d times", n)
	}
	if left, _ := filepath.Glob(filepath.Join(store.Dir, "tmp-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	mu.Lock()
	down = true
	mu.Unlock()
	again, err := store.Resolve(t.Context(), spec)
	if err != nil || again.ID != base.ID || !errors.Is(again.Offline, ErrOffline) {
		t.Errorf("offline: %+v, %v; want %s", again, err, base.ID)
	}
	if _, err := store.Get(t.Context(), again.ID, spec, event.Log{}); err != nil {
		t.Error(err)
	}
	spec.Packages = nil
	if _, err := store.Resolve(t.Context(), spec); !errors.Is(err, ErrOffline) {
		t.Errorf("a base never made, offline: %v", err)
	}
}

// A cancelled run leaves no files and no mounts.
func TestGetCancelled(t *testing.T) {
	t.Parallel()
	reach(t)
	spec, store, out := tiny(mirror), Store{Dir: t.TempDir()}, &sink{first: make(chan struct{})}
	base, err := store.Resolve(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() { <-out.first; cancel() }()
	if _, err := store.Get(ctx, base.ID, spec, event.Log{Sink: out}); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if left, _ := filepath.Glob(filepath.Join(store.Dir, "tmp-*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if left, _ := filepath.Glob(filepath.Join(store.Dir, "ingest", "*")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), store.Dir) {
		t.Errorf("mounts left behind: %v", err)
	}
}

func TestResolveErrors(t *testing.T) {
	t.Parallel()
	empty := httptest.NewServer(http.NotFoundHandler())
	defer empty.Close()
	store := Store{Dir: t.TempDir()}
	_, err := store.Resolve(t.Context(), Spec{Suite: "wrong", Mirror: empty.URL})
	if err == nil || !strings.Contains(err.Error(), `has no suite "wrong"`) {
		t.Errorf("unknown suite: %v", err)
	}
	_, err = store.Resolve(t.Context(), Spec{Suite: "bookworm", Mirror: "http://127.0.0.1:1"})
	if !errors.Is(err, ErrOffline) {
		t.Errorf("mirror down: %v", err)
	}
}

// A package that does not exist is one clear error, with apt's words.
func TestGetUnknownPackage(t *testing.T) {
	t.Parallel()
	reach(t)
	spec, store := tiny(mirror), Store{Dir: t.TempDir()}
	spec.Packages = []string{"no-such-package-at-all"}
	base, err := store.Resolve(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Get(t.Context(), base.ID, spec, event.Log{})
	if err == nil || !strings.Contains(err.Error(), "Unable to locate package no-such-package-at-all") {
		t.Errorf("got %v", err)
	}
}
