package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/engine"
	"github.com/ingot-build/ingot/internal/event"
)

// What is not distributed yet, the next run does, and nothing else.
func TestDistributeAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.deny = errors.New("copy to two: quota")
	s, err := b.run(t.Context(), `regions = ["two"]`, nil)
	if !errors.Is(err, engine.ErrFailed) {
		t.Errorf("error %v", err)
	}
	if got, want := b.took(), []string{"close", "distribute", "seal"}; !slices.Equal(slices.Sorted(slices.Values(got)), want) {
		t.Errorf("did %q", got)
	}
	if got := failure(s); !strings.Contains(got, "distribute: copy to two: quota") || !strings.Contains(got, "Run again") {
		t.Errorf("failed with %s", got)
	}
	if rec := b.record(`regions = ["two"]`); rec.Distributed != "" || len(rec.Artifact.Places) != 2 {
		t.Errorf("record %+v", rec)
	}
	var text strings.Builder
	p, reg := b.plan(`regions = ["two"]`)
	if err := errors.Join(p.Resolve(t.Context(), engine.History(reg)), p.Text(&text, func(_, s string) string { return s })); err != nil {
		t.Fatal(err)
	}
	if !p.Todo() || !strings.Contains(text.String(), "will distribute: it has not been done yet") {
		t.Errorf("plan:\n%s", text.String())
	}

	b.deny = nil
	for _, c := range []struct {
		options string
		want    []string
		places  int
	}{
		{`regions = ["two"]`, []string{"distribute"}, 2},
		{`regions = ["two"]`, nil, 2},
		{`regions = ["two", "three"]`, []string{"distribute"}, 3},
		{"regions = [\"two\", \"three\"]\n name = \"web-${uuidv4()}\"", []string{"distribute"}, 3},
		{"regions = [\"two\", \"three\"]\n name = \"web-${uuidv4()}\"", nil, 3},
	} {
		s, err := b.run(t.Context(), c.options, nil)
		b.wants(s, err, c.want...)
		if rec := b.record(c.options); len(rec.Artifact.Places) != c.places || rec.Artifact.ID != "image-1" {
			t.Errorf("%s: record %+v", c.options, rec)
		}
	}
	b.force = true
	s, err = b.run(t.Context(), `regions = ["two"]`, nil)
	if got := b.took(); err != nil || len(got) != 3 {
		t.Errorf("forced: did %q, %v\n%s", got, err, s.told())
	}
}

// A version has its image's places; new ones make a new version.
func TestDistributeMakesAVersion(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	versions := map[string]bool{}
	for i, options := range []string{"", "", `regions = ["two"]`, `regions = ["two"]`} {
		s, err := b.run(t.Context(), options, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range s.events {
			if p, ok := e.Body.(event.Published); ok {
				versions[p.Version] = true
				if isNew := i == 0 || i == 2; p.New != isNew {
					t.Errorf("run %d: new is %t", i, p.New)
				}
			}
		}
	}
	if len(versions) != 2 {
		t.Errorf("versions %v", versions)
	}
}

// Two builds that make the same image, under two names or in two accounts, do
// not take each other's.
func TestSameImageTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.more = "  source \"source.cloud.web\" {\n    name = \"other\"\n    regions = [\"two\"]\n  }\n"
	s, err := b.run(t.Context(), "", nil)
	if err != nil || len(b.took()) != 6 {
		t.Fatal(err, s.told())
	}
	s, err = b.run(t.Context(), "", nil)
	b.wants(s, err)
}
