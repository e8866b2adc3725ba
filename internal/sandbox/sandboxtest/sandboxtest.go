// Package sandboxtest runs sandboxes for tests.
package sandboxtest

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/sandbox"
	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/first"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// basesEnv names a folder that bases are kept in between test runs.
const basesEnv = "INGOT_TEST_BASES"

// Main is TestMain's: the test program is also the first process of the
// sandbox's machines.
func Main(m *testing.M) {
	if first.IsMachine() {
		os.Exit(first.Run())
	}
	os.Exit(m.Run())
}

// Options is how a sandbox for a test differs from one in which everything is
// at once and goes well.
type Options struct {
	Timing  *timing.Timing // nil is timing.Zero
	Faults  []fault.Rule
	Catalog catalog.Catalog
}

// Sandbox is a sandbox in the test's process.
type Sandbox struct {
	Faults *fault.Set
	Dir    string // of its state

	t       *testing.T
	options sandbox.Options
	mu      sync.Mutex
	server  *sandbox.Server
}

// Start starts a sandbox that ends with the test. The test is skipped where
// none can run.
func Start(t *testing.T, o Options) *Sandbox {
	t.Helper()
	if err := sandbox.Available(); err != nil {
		t.Skipf("cannot run here: %v", err)
	}
	s := &Sandbox{t: t, Faults: &fault.Set{}, Dir: t.TempDir()}
	if err := s.Faults.Add(o.Faults...); err != nil {
		t.Fatal(err)
	}
	s.options = sandbox.Options{Dir: s.Dir, Bases: bases(t), Timing: timing.Zero(), Faults: s.Faults, Catalog: o.Catalog, Trusting: true}
	if o.Timing != nil {
		s.options.Timing = *o.Timing
	}
	s.open()
	t.Cleanup(s.close)
	// A machine's first start would wait for its base.
	if err := s.server.Prepare(context.Background(), o.Catalog, io.Discard); err != nil {
		t.Fatal(err)
	}
	return s
}

// bases is where bases are kept: between test runs, else as long as the test.
func bases(t *testing.T) string {
	if dir := os.Getenv(basesEnv); dir != "" {
		return filepath.Join(dir, "sandbox")
	}
	return t.TempDir()
}

func (s *Sandbox) open() {
	s.t.Helper()
	server, err := sandbox.New(s.options)
	if err != nil {
		s.t.Fatal(err)
	}
	s.server = server
	s.options.Listen = server.Address()
}

func (s *Sandbox) close() {
	if err := s.current().Close(); err != nil {
		s.t.Errorf("close the sandbox: %v", err)
	}
	if err := sandbox.Remove(s.options); err != nil {
		s.t.Errorf("remove the sandbox: %v", err)
	}
}

func (s *Sandbox) current() *sandbox.Server {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.server
}

// Host says how builders reach it: builders.Host.Sandbox.
func (s *Sandbox) Host() *builders.Sandbox { return s.current().Sandbox() }

// URL is the endpoint of all services.
func (s *Sandbox) URL() string { return "http://" + s.current().Address() }

// Server is the sandbox itself, until Restart.
func (s *Sandbox) Server() *sandbox.Server { return s.current() }

// Leaks lists the resources that exist in it.
func (s *Sandbox) Leaks() []string { return s.current().Inventory() }

// Restart ends it at once, with all machines, and starts it again from its
// state at the same address, as after kill -9.
func (s *Sandbox) Restart() {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.server.Close(); err != nil {
		s.t.Fatal(err)
	}
	s.open()
}
