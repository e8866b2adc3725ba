// Package buildertest is what every builder must do, as a test that each of
// them runs.
package buildertest

import (
	"context"
	"crypto/rand"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
)

// Harness is a builder under test. The machine or image must have a POSIX
// shell, cat, ls, stat, tar and a /tmp.
type Harness struct {
	// New returns a new builder of always the same source.
	New func(t *testing.T) builders.Builder
	// Broken returns a builder whose Begin fails after it has made something,
	// e.g. with a login that is refused. Nil where it can't fail so.
	Broken func(t *testing.T) builders.Builder
	// Reopen returns a builder whose source is what was sealed. Nil where
	// nothing can start from it.
	Reopen func(t *testing.T, a artifact.Artifact) builders.Builder
	// Leaks names what is there that should not be, when all sessions are
	// closed. Nil where there is nothing to look at.
	Leaks func() []string
}

// enough is how long to wait for what must happen; no case takes it when all
// is well.
const enough = 2 * time.Minute

// Run runs the suite: what the builder promises, that is, without the ops that
// it refuses.
func Run(t *testing.T, h Harness) {
	b := h.New(t)
	for _, c := range cases() {
		if c.needs != "" && b.Supports(c.needs) != nil {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			// Registered first, so that it comes after the sessions are closed.
			t.Cleanup(func() { h.checkLeaks(t) })
			c.run(t, h)
		})
	}
	if _, ok := b.(builders.Resumer); ok {
		t.Run("hold and resume", func(t *testing.T) {
			t.Cleanup(func() { h.checkLeaks(t) })
			testHold(t, h)
		})
	}
	if h.Broken != nil {
		t.Run("begin fails", func(t *testing.T) {
			t.Cleanup(func() { h.checkLeaks(t) })
			testBrokenBegin(t, h)
		})
	}
	if h.Reopen != nil {
		t.Run("reopen", func(t *testing.T) {
			t.Cleanup(func() { h.checkLeaks(t) })
			testReopen(t, h)
		})
	}
}

type testCase struct {
	name  string
	needs op.Kind // "" needs none
	run   func(*testing.T, Harness)
}

func cases() []testCase {
	return []testCase{
		{"resolve", "", testResolve},
		{"begin cancelled", "", testCancelledBegin},
		{"close twice", "", testClose},
		{"sessions differ", "", testScratch},
		{"seal", "", testSeal},
		{"exec", op.KindExec, testExec},
		{"exec fails", op.KindExec, testExecFails},
		{"exit codes", op.KindExec, testExitCodes},
		{"inputs", op.KindExec, testInputs},
		{"large input", op.KindExec, testLargeInput},
		{"kept inputs", op.KindExec, testKeptInputs},
		{"secrets are hidden", op.KindExec, testSecrets},
		{"cancel", op.KindExec, testCancel},
		{"put", op.KindPut, testPut},
		{"tree", op.KindTree, testTree},
		{"tree merges", op.KindTree, testTreeMerges},
		{"get", op.KindGet, testGet},
		{"get escape", op.KindGet, testGetEscape},
		{"get missing", op.KindGet, testGetMissing},
		{"capture", op.KindCapture, testCapture},
		{"local", op.KindLocal, testLocal},
		{"pause", op.KindPause, testPause},
	}
}

func (h Harness) checkLeaks(t *testing.T) {
	t.Helper()
	if h.Leaks == nil {
		return
	}
	for _, leak := range h.Leaks() {
		t.Errorf("left behind: %s", leak)
	}
}

// log is an event.Sink that keeps what commands print.
type log struct {
	mu     sync.Mutex
	stdout []string
	stderr []string
	came   func(line string) // called for each line; may be nil
}

func (l *log) Emit(e event.Event) {
	o, ok := e.Body.(event.Output)
	if !ok {
		return
	}
	l.mu.Lock()
	if o.Stderr {
		l.stderr = append(l.stderr, o.Text)
	} else {
		l.stdout = append(l.stdout, o.Text)
	}
	came := l.came
	l.mu.Unlock()
	if came != nil {
		came(o.Text)
	}
}

// take returns what was printed since it was called last.
func (l *log) take() (stdout, stderr []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	stdout, stderr = l.stdout, l.stderr
	l.stdout, l.stderr = nil, nil
	return stdout, stderr
}

// session is a session under test.
type session struct {
	t     *testing.T
	s     builders.Session
	b     builders.Builder
	log   *log
	last  key.Key
	nonce string // makes each command one that no cache knows
}

// begin begins a session, which is closed when the test ends.
func begin(t *testing.T, b builders.Builder) *session {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), enough)
	defer cancel()
	base, err := b.Resolve(ctx)
	if err != nil {
		t.Fatalf("resolve: %v", err)
	}
	out := &log{}
	s, err := b.Begin(ctx, base, builders.Env{RunID: "run-" + nonce(), Log: event.Log{Build: t.Name(), Sink: out}})
	if err != nil {
		t.Fatalf("begin: %v", err)
	}
	st := &session{t: t, s: s, b: b, log: out, last: key.New("buildertest").String(base.ID).Sum(), nonce: nonce()}
	t.Cleanup(st.close)
	return st
}

func (s *session) close() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), enough)
	defer cancel()
	if err := s.s.Close(ctx); err != nil {
		s.t.Errorf("close: %v", err)
	}
}

// nonce returns text that was never used before.
func nonce() string { return strings.ToLower(rand.Text()) }

// apply applies ops as one step.
func (s *session) apply(ctx context.Context, ops ...op.Op) error {
	s.last = key.New("buildertest").String(string(s.last)).String(string(op.Hash(ops))).Sum()
	return s.s.Apply(ctx, builders.Step{
		Name: "step", Key: s.last, Ops: op.Bind(ops, s.s.Vars()), Where: "test.pkr.hcl:1",
	})
}

// must applies ops that must succeed.
func (s *session) must(ops ...op.Op) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), enough)
	defer cancel()
	if err := s.apply(ctx, ops...); err != nil {
		stdout, stderr := s.log.take()
		s.t.Fatalf("apply: %v\nstdout %q\nstderr %q", err, stdout, stderr)
	}
}

// shell returns an op that runs a script, and that no cache knows.
func (s *session) shell(script string) *op.Exec {
	return &op.Exec{Argv: []string{"/bin/sh", "-c", script + "\n# " + s.nonce}}
}

// output runs a script that must succeed and returns what it prints.
func (s *session) output(script string) string {
	s.t.Helper()
	s.log.take()
	s.nonce = nonce()
	s.must(s.shell(script))
	stdout, _ := s.log.take()
	return strings.Join(stdout, "\n")
}

// want runs a script and compares what it prints.
func (s *session) want(script, want string) {
	s.t.Helper()
	if got := s.output(script); got != want {
		s.t.Errorf("%s\nprinted %q, want %q", script, got, want)
	}
}
