package engine_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/event"
)

// Two runs at the same time: one builds, and does all that is to be done with
// its image. The other waits, takes it, and publishes the same version.
func TestOneBuilds(t *testing.T) {
	t.Parallel()
	one, two := newBench(t), newBench(t)
	two.cloud, two.dir, two.journals, two.runs = one.cloud, one.dir, one.journals, 1
	first, second, said := together(t, one, two, `regions = ["two"]`, "begin")
	got := one.took()
	slices.Sort(got) // the machine is closed behind the rest
	if !slices.Equal(got, []string{"close", "distribute", "seal"}) {
		t.Errorf("did %q", got)
	}
	if !strings.HasPrefix(said, "Waiting for run run-1 on ") || !strings.HasSuffix(said, ", which builds the same") {
		t.Errorf("said %q", said)
	}
	a, b := publishedBy(first), publishedBy(second)
	if a.New == b.New || a.Version != b.Version { // either may be the first to publish
		t.Errorf("published %+v and %+v", a, b)
	}
}

// The tests alone that an image has yet to pass run once, too.
func TestOneTests(t *testing.T) {
	t.Parallel()
	one, two := newBench(t), newBench(t)
	if s, err := one.run(t.Context(), "", nil); err != nil {
		t.Fatalf("error %v\n%s", err, s.told())
	}
	one.took()
	two.cloud, two.dir, two.journals, two.runs = one.cloud, one.dir, one.journals, 2
	one.more = testBlock("one", "true", "true")
	two.more = one.more
	first, second, said := together(t, one, two, "", "test")
	if got := one.took(); !slices.Equal(got, []string{"close"}) {
		t.Errorf("did %q", got)
	}
	if a, b := first.results(), second.results(); len(a) != 1 || a[0].Known || len(b) != 1 || !b[0].Known {
		t.Errorf("results %+v and %+v", a, b)
	}
	if !strings.HasPrefix(said, "Waiting for run run-2 on ") {
		t.Errorf("said %q", said)
	}
}

// together runs a template twice: the one stays in a phase until the other
// waits for it, and says so.
func together(t *testing.T, one, two *bench, options, phase string) (first, second *sink, said string) {
	t.Helper()
	waits, begun, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	go func() {
		var err error
		first, err = one.run(t.Context(), options, func(e event.Event) {
			if p, ok := e.Body.(event.Phase); ok && p.Name == phase {
				close(begun)
				<-waits
			}
		})
		ended <- err
	}()
	<-begun
	second, err := two.run(t.Context(), options, func(e event.Event) {
		if s, ok := e.Body.(event.Say); ok && strings.HasPrefix(s.Text, "Waiting for ") {
			said = s.Text
			close(waits)
		}
	})
	if err := errors.Join(err, <-ended); err != nil {
		t.Fatal(err)
	}
	return first, second, said
}

func publishedBy(s *sink) (p event.Published) {
	for _, e := range s.events {
		if body, ok := e.Body.(event.Published); ok {
			p = body
		}
	}
	return p
}

// What is to be built anew does not wait, and makes a version of its own.
func TestForcedBuildsDoNotWait(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.force = true
	for range 2 {
		s, err := b.run(t.Context(), "", func(e event.Event) {
			if p, ok := e.Body.(event.Phase); ok && p.Name == "wait" {
				t.Error("it waits")
			}
		})
		if err != nil || !publishedBy(s).New {
			t.Error(err, s.told())
		}
	}
}
