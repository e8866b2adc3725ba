package engine_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/engine"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// BaseOf lets tests begin.
func (b builder) BaseOf(a artifact.Artifact, base builders.Base) (builders.Base, error) {
	base.From = &a
	return base, nil
}

// Keep leaves a machine.
func (s *session) Keep() { s.note("keep") }

// look is a provisioner that expects something.
type look struct {
	// Found is what there is, of what is expected.
	Found bool `hcl:"found"`
}

func (l *look) Lower(provisioners.Input) ([]op.Op, error) {
	what := "nothing"
	if l.Found {
		what = "something"
	}
	return []op.Op{&op.Capture{Run: &op.Exec{Argv: []string{what}}, Local: op.Token(op.Attachments) + "/x"}}, nil
}

func (l *look) Cases(string) ([]artifact.Case, error) {
	c := artifact.Case{Name: "the thing", Passed: l.Found}
	if !l.Found {
		c.Detail = "it is hunter2"
	}
	return []artifact.Case{{Name: "the other", Passed: true}, c}, nil
}

func looks() []provisioners.Definition {
	return []provisioners.Definition{{Type: "look", New: func() provisioners.Provisioner { return &look{} }}}
}

func testBlock(name, found, keep string) string {
	return "test \"" + name + "\" {\n keep_failed = " + keep + "\n provisioner \"look\" { found = " + found + " }\n}\n"
}

// results are the tests that events tell of.
func (s *sink) results() []event.TestDone {
	var out []event.TestDone
	for _, e := range s.events {
		if done, ok := e.Body.(event.TestDone); ok {
			out = append(out, done)
		}
	}
	return out
}

// A test has its machine before anything is distributed, and passes once.
func TestTestsPass(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.more = testBlock("one", "true", "true") + testBlock("two", "true", "true")
	s, err := b.run(t.Context(), "", nil)
	if err != nil {
		t.Fatal(err)
	}
	did := b.took()
	if len(did) != 5 || did[0] != "seal" || !slices.Contains(did, "distribute") {
		t.Errorf("did %q", did)
	}
	if got := s.results(); len(got) != 2 || !got[0].Test.Passed || got[0].Known || len(got[0].Test.Cases) != 2 {
		t.Errorf("results %+v", got)
	}
	if rec := b.record(""); !rec.Tested.Passed() || len(rec.Tested.Tests) != 2 {
		t.Errorf("record %+v", rec.Tested)
	}
	s, err = b.run(t.Context(), "", nil)
	b.wants(s, err)
	if got := s.results(); len(got) != 2 || !got[0].Known {
		t.Errorf("results %+v", got)
	}
}

// What fails is not distributed, and is what the next run begins with.
func TestTestsFail(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.more = testBlock("one", "true", "true") + testBlock("two", "false", "true")
	for n, want := range [][]string{{"close", "close", "close", "seal"}, {"close", "close"}} {
		s, err := b.run(t.Context(), "", nil)
		if !errors.Is(err, engine.ErrFailed) {
			t.Errorf("error %v", err)
		}
		if did := slices.Sorted(slices.Values(b.took())); !slices.Equal(did, want) {
			t.Errorf("run %d did %q", n+1, did)
		}
		if got := failure(s); !strings.Contains(got, `test "two" (`) || !strings.Contains(got, "1 of 2 checks failed: the thing: it is hunter2") || !strings.Contains(got, "kept") {
			t.Errorf("failed with %s", got)
		}
	}
	b.more = testBlock("one", "true", "true") + testBlock("two", "true", "true")
	s, err := b.run(t.Context(), "", nil)
	if err != nil || !slices.Contains(b.took(), "distribute") || strings.Contains(s.told(), "seal") {
		t.Errorf("%v\n%s", err, s.told())
	}
}

// An image that no machine could look at is not removed for that.
func TestTestCannotLook(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.more = testBlock("one", "true", "false")
	b.denyTrial = errors.New("no quota")
	s, err := b.run(t.Context(), "", nil)
	if !errors.Is(err, engine.ErrFailed) || !strings.Contains(failure(s), "begin with the image: no quota") {
		t.Errorf("%v: %s", err, failure(s))
	}
	b.took()
	b.denyTrial = nil
	s, err = b.run(t.Context(), "", nil)
	if err != nil || strings.Contains(s.told(), "seal") {
		t.Errorf("%v\n%s", err, s.told())
	}
}

// What a test found may hold a secret, which neither events nor records get.
func TestTestsTellNoSecrets(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.more = testBlock("one", "false", "true")
	p, reg := b.plan("")
	hidden := &secret.Set{}
	hidden.Add("hunter2")
	s := &sink{}
	err := engine.Run(t.Context(), p, engine.Options{RunID: "run", Registry: reg, History: engine.History(reg), Events: s, Secrets: hidden,
		Dir: b.dir, OnError: engine.Abort, GitCommit: func() string { return "" }})
	if !errors.Is(err, engine.ErrFailed) {
		t.Fatal(err)
	}
	if !slices.Contains(b.took(), "keep") {
		t.Error("the machine is not left")
	}
	rec := b.record("")
	if got := rec.Tested.Tests[0]; got.Cases[1].Detail != "it is "+secret.Redacted || strings.Contains(got.Error, "hunter2") {
		t.Errorf("recorded %+v", got)
	}
	if got := s.results()[0].Test; got.Cases[1].Detail != "it is "+secret.Redacted || strings.Contains(got.Error, "hunter2") {
		t.Errorf("told %+v", got)
	}
}

// A version that was published is tested again, and says what came of it.
func TestTestAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.more = testBlock("one", "true", "true")
	if _, err := b.run(t.Context(), "", nil); err != nil {
		t.Fatal(err)
	}
	b.more = testBlock("one", "false", "true")
	p, reg := b.plan("")
	v, ok, err := reg.Latest(context.Background(), p.Builds[0].Publish.Bucket)
	if err != nil || !ok {
		t.Fatal(err)
	}
	b.took()
	s := &sink{}
	err = engine.Test(t.Context(), p, v, engine.Options{RunID: "again", Registry: reg, History: engine.History(reg), Events: s,
		Secrets: &secret.Set{}, Dir: b.dir, User: "ann"})
	if !errors.Is(err, engine.ErrFailed) || len(s.results()) != 1 {
		t.Errorf("error %v", err)
	}
	if did := b.took(); !slices.Equal(did, []string{"close"}) {
		t.Errorf("did %q", did)
	}
	runs, err := reg.Tests(t.Context(), v.Bucket, v.Name)
	if err != nil || len(runs) != 1 || runs[0].By != "ann" {
		t.Fatalf("%+v, %v", runs, err)
	}
	if tested := runs[0].Builds["cloud.web"]; tested.Passed() || tested.Tests[0].Name != "one" {
		t.Errorf("%+v", tested)
	}
	b.more = ""
	p, _ = b.plan("")
	if err := engine.Testable(p, v); err == nil {
		t.Error("a template without tests is taken")
	}
}
