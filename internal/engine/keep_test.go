package engine_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/postprocessors"
)

func (b builder) Remove(_ context.Context, a artifact.Artifact, _ bool) error {
	b.cloud.note("remove " + a.ID)
	b.cloud.mu.Lock()
	defer b.cloud.mu.Unlock()
	b.cloud.removed = append(b.cloud.removed, a.ID)
	return nil
}

// export is a post-processor that makes a file of its input, and by default
// does not keep that.
type export struct {
	// Output is the file.
	Output string `hcl:"output"`
}

func (*export) Check(postprocessors.Input) error { return nil }

func (e *export) Process(_ context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	text := in.Artifact.ID + " to " + e.Output
	if err := os.WriteFile(in.Path(e.Output), []byte(text), 0o600); err != nil {
		return postprocessors.Result{}, err
	}
	return postprocessors.Result{Artifact: artifact.Artifact{Builder: "export", ID: e.Output,
		Files: []artifact.File{{Path: e.Output, Size: int64(len(text))}}}}, nil
}

// pass is a post-processor that returns its input, and fails where the file
// "fail" is.
type pass struct{}

func (*pass) Check(postprocessors.Input) error { return nil }

func (p *pass) Process(_ context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	if _, err := os.Stat(in.Path("fail")); err == nil {
		return postprocessors.Result{}, errors.New("told to fail")
	}
	return postprocessors.Result{Artifact: in.Artifact, Keep: true, MustKeep: true}, nil
}

func posts() []postprocessors.Definition {
	return []postprocessors.Definition{
		{Type: "export", New: func() postprocessors.Processor { return &export{} }},
		{Type: "pass", New: func() postprocessors.Processor { return &pass{} }},
	}
}

const (
	exportIt  = "post-processor \"export\" {\n output = \"a\"\n}\n"
	exportTwo = "post-processors {\n post-processor \"pass\" {}\n post-processor \"export\" {\n output = \"a\"\n }\n" +
		"post-processor \"export\" {\n output = \"b\"\n }\n}\n"
	passIt = "post-processor \"pass\" {}\n"
)

// TestKeepInput is about what is removed, and what is shown in the end.
func TestKeepInput(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		more    string
		removed bool
		shown   string
		files   string
	}{
		"input":                  {exportIt, true, "a", "a"},
		"input on the way":       {exportTwo, true, "b", "b"},
		"kept by the template":   {strings.Replace(exportIt, "output", "keep_input_artifact = true\n output", 1), false, "image-1 a", "a"},
		"kept by another chain":  {exportIt + passIt, false, "image-1 a", "a"},
		"kept on the way":        {strings.Replace(exportTwo, "output = \"b\"", "output = \"b\"\n keep_input_artifact = true", 1), true, "a b", "a b"},
		"kept before":            {strings.Replace(exportTwo, "\"pass\" {", "\"pass\" { \n keep_input_artifact = true\n", 1), false, "image-1 b", "b"},
		"result is the input":    {strings.Replace(passIt, "{}", "{\n keep_input_artifact = false\n}", 1), false, "image-1", ""},
		"made twice of the same": {exportIt + strings.Replace(exportIt, `"a"`, `"b"`, 1), true, "a b", "a b"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.more = c.more
			s, err := b.run(t.Context(), "", nil)
			if err != nil {
				t.Fatal(err, failure(s))
			}
			if got := slices.Contains(b.took(), "remove image-1"); got != c.removed {
				t.Errorf("removed: %t", got)
			}
			if got := shown(s); got != c.shown {
				t.Errorf("shown %s, want %s", got, c.shown)
			}
			for _, file := range []string{"a", "b"} {
				if _, err := os.Stat(filepath.Join(b.dir, file)); (err == nil) != strings.Contains(c.files, file) {
					t.Errorf("%s: %v", file, err)
				}
			}
			// Nothing is made anew as long as all is there.
			s, err = b.run(t.Context(), "", nil)
			if got := b.took(); err != nil || len(got) > 0 || shown(s) != c.shown {
				t.Errorf("again: did %q, showed %s, %v\n%s", got, shown(s), err, s.told())
			}
		})
	}
}

// shown are the ids of the artifacts that builds end with.
func shown(s *sink) string {
	var ids []string
	for _, e := range s.events {
		if d, ok := e.Body.(event.BuildDone); ok {
			for _, a := range d.Artifacts {
				ids = append(ids, a.ID)
			}
		}
	}
	return strings.Join(ids, " ")
}

// A build whose image was removed is made anew when what is left of it is gone
// or was changed, and when other post-processors are to work on it.
func TestRemovedIsMadeAnew(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.more = exportIt
	for i, change := range []func(){
		func() {},
		func() { _ = os.Remove(filepath.Join(b.dir, "a")) },
		func() { _ = os.WriteFile(filepath.Join(b.dir, "a"), []byte("image-2 to A"), 0o600) },
		func() { b.more = strings.Replace(exportIt, `"a"`, `"b"`, 1) },
		func() { b.more += strings.Replace(exportIt, `"a"`, `"c"`, 1) },
	} {
		change()
		s, err := b.run(t.Context(), "", nil)
		id := fmt.Sprintf("image-%d", i+1)
		if got := b.took(); err != nil || !slices.Contains(got, "seal") || !slices.Contains(got, "remove "+id) {
			t.Errorf("%d: did %q, %v\n%s", i, got, err, failure(s))
		}
		if got := b.record("").Artifact; len(got.Files) != 1 || got.Files[0].Digest == "" || len(got.Places) > 0 {
			t.Errorf("%d: recorded %+v", i, got)
		}
	}
}

// A chain that fails removes nothing. The next run goes on there, and removes
// then what all chains together do not keep.
func TestNothingIsRemovedOnFailure(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.more = exportIt + "post-processors {\n post-processor \"export\" {\n output = \"b\"\n }\n post-processor \"pass\" {}\n}\n"
	fail := filepath.Join(b.dir, "fail")
	if err := os.WriteFile(fail, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := b.run(t.Context(), "", nil)
	if err == nil || slices.Contains(b.took(), "remove image-1") || shown(s) != "image-1 a" {
		t.Errorf("%v, showed %s", err, shown(s))
	}
	if err := os.Remove(fail); err != nil {
		t.Fatal(err)
	}
	s, err = b.run(t.Context(), "", nil)
	b.wants(s, err, "remove image-1")
	if shown(s) != "a b" {
		t.Errorf("showed %s", shown(s))
	}
	s, err = b.run(t.Context(), "", nil)
	b.wants(s, err)
}

// What a version holds stays, whatever a template says later.
func TestVersionsKeepTheirs(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	if s, err := b.run(t.Context(), "", nil); err != nil {
		t.Fatal(failure(s))
	}
	b.took()
	b.more = exportIt
	s, err := b.run(t.Context(), "", nil)
	b.wants(s, err)
	if shown(s) != "image-1 a" {
		t.Errorf("showed %s", shown(s))
	}
}
