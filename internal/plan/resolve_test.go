package plan

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
)

// images is a builder whose base has this id and whose artifacts all exist.
type images struct{ base string }

func (b images) Resolve(context.Context) (builders.Base, error) {
	return builders.Base{ID: b.base, Name: "debian", Arch: "amd64"}, nil
}
func (images) Supports(op.Kind) error                                  { return nil }
func (images) Exists(context.Context, artifact.Artifact) (bool, error) { return true, nil }
func (images) Layered()                                                {}
func (images) Begin(context.Context, builders.Base, builders.Env) (builders.Session, error) {
	panic("a plan begins nothing")
}

// history is what was recorded of one build.
type history struct {
	version string
	records []artifact.Record

	checkpoints []artifact.Checkpoint
}

func (h history) Checkpoints(context.Context, string) ([]artifact.Checkpoint, error) {
	return h.checkpoints, nil
}

func (history) Forget(string) {}

func (h history) Lookup(_ context.Context, _ string, k key.Key) (artifact.Record, bool, error) {
	for _, r := range h.records {
		if r.Key == k {
			return r, true, nil
		}
	}
	return artifact.Record{}, false, nil
}

func (h history) Last(context.Context, string, string) (string, artifact.Record, bool, error) {
	if len(h.records) == 0 {
		return "", artifact.Record{}, false, nil
	}
	return h.version, h.records[len(h.records)-1], true, nil
}

func (h history) Image(_ string, img artifact.Image) string { return img.Digest }

func (h history) Since(context.Context, string, string, key.Key) (string, error) {
	return h.version, nil
}

// planned returns a build with a step for each text, which is its file's content.
func planned(base string, texts ...string) *Build {
	b := &Build{Address: "docker.web", Type: "docker", Builder: images{base}, Publish: Publish{Bucket: "web"}}
	for i, text := range texts {
		name := string(rune('a' + i))
		b.Steps = append(b.Steps, &Step{Name: "shell", hash: key.New("test").String(text).Sum(),
			inputs: []artifact.Input{{Kind: "file", Name: name + ".sh", Digest: text}}})
	}
	return b
}

// resolved resolves b against what is recorded of old builds.
func resolved(t *testing.T, b *Build, old ...*Build) *Build {
	t.Helper()
	h := history{version: "1.0.0"}
	for _, o := range old {
		if err := o.Resolve(t.Context(), history{}); err != nil {
			t.Fatal(err)
		}
		rec := o.NewRecord("run", artifact.Artifact{ID: "image"}, time.Time{})
		h.records = append(h.records, rec)
	}
	if err := b.Resolve(t.Context(), h); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestWhatRunsAndWhy(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		build  *Build
		old    []*Build
		status Status
		known  []bool
		why    []string // of the steps; the last one of each
		base   string
	}{
		"new": {planned("1", "x", "y"), nil, New, []bool{false, false}, []string{"", ""}, "not built before"},
		"unchanged": {planned("1", "x", "y"), []*Build{planned("1", "x", "y")}, Unchanged,
			[]bool{true, true}, []string{"", ""}, ""},
		"middle": {planned("1", "x", "Y", "z"), []*Build{planned("1", "x", "y", "z")}, Changed,
			[]bool{true, false, false}, []string{"", "b.sh changed", "follows step 2"}, ""},
		"one more": {planned("1", "x", "y"), []*Build{planned("1", "x")}, Changed,
			[]bool{true, false}, []string{"", "the step is new"}, ""},
		"one fewer": {planned("1", "x"), []*Build{planned("1", "x", "y")}, Changed,
			[]bool{true}, []string{""}, "step 2 shell was removed"},
		"base": {planned("2", "x"), []*Build{planned("1", "x")}, Changed,
			[]bool{false}, []string{"follows the base"}, "base debian changed"},
		"back to what is recorded": {planned("1", "x"), []*Build{planned("1", "x"), planned("1", "y")}, Unchanged,
			[]bool{true}, []string{""}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := resolved(t, test.build, test.old...)
			var known []bool
			var why []string
			for _, s := range b.Steps {
				known = append(known, s.Known)
				why = append(why, lastText(s.Reasons))
			}
			if b.Status != test.status || lastText(b.Reasons) != test.base {
				t.Errorf("status %s, reasons %v; want %s, %q", b.Status, b.Reasons, test.status, test.base)
			}
			if d := cmp.Diff(test.known, known); d != "" {
				t.Errorf("known: %s", d)
			}
			if d := cmp.Diff(test.why, why); d != "" {
				t.Errorf("why: %s", d)
			}
		})
	}
}

// Where a file is that an option of the source names does not count, only what
// is in it.
func TestOptionFiles(t *testing.T) {
	t.Parallel()
	keyOf := func(in ...artifact.Input) key.Key {
		b := planned("1", "x")
		b.options = in
		return resolved(t, b).Key
	}
	here := keyOf(artifact.Input{Kind: "file", Name: "data.sh", Digest: "1"})
	if keyOf(artifact.Input{Kind: "file", Name: "web/data.sh", Digest: "1"}) != here {
		t.Error("the key depends on where the file is")
	}
	if keyOf(artifact.Input{Kind: "file", Name: "data.sh", Digest: "2"}) == here {
		t.Error("the key does not depend on what the file holds")
	}
	if keyOf(artifact.Input{Kind: "option", Name: "a", Digest: "1"}) == keyOf(artifact.Input{Kind: "option", Name: "b", Digest: "1"}) {
		t.Error("the key does not depend on which option it is")
	}
}

func TestForceAndAlwaysRun(t *testing.T) {
	t.Parallel()
	forced := planned("1", "x")
	forced.Force = true
	if b := resolved(t, forced, planned("1", "x")); b.Status != Changed || b.Steps[0].Known {
		t.Errorf("forced: %s, known %v", b.Status, b.Steps[0].Known)
	}
	always := planned("1", "x", "y", "z")
	always.Steps[1].AlwaysRun = true
	b := resolved(t, always, planned("1", "x", "y", "z"))
	if b.Status != Changed || !b.Steps[0].Known || b.Steps[1].Known || b.Steps[2].Known {
		t.Errorf("always: %s, %+v", b.Status, b.Steps)
	}
}

func lastText(list []Reason) string {
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1].Text
}
