package engine_test

import (
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
	waits := make(chan struct{})
	begun, ended := make(chan struct{}), make(chan struct{})
	var first *sink
	go func() {
		defer close(ended)
		first, _ = one.run(t.Context(), `regions = ["two"]`, func(e event.Event) {
			if p, ok := e.Body.(event.Phase); ok && p.Name == "begin" {
				close(begun)
				<-waits
			}
		})
	}()
	<-begun
	said := ""
	second, err := two.run(t.Context(), `regions = ["two"]`, func(e event.Event) {
		if s, ok := e.Body.(event.Say); ok && strings.HasPrefix(s.Text, "Waiting for ") {
			said = s.Text
			close(waits)
		}
	})
	<-ended
	got := one.took()
	slices.Sort(got) // the machine is closed behind the rest
	if err != nil || !slices.Equal(got, []string{"close", "distribute", "seal"}) {
		t.Errorf("did %q, %v", got, err)
	}
	if !strings.HasPrefix(said, "Waiting for run run-1 on ") || !strings.HasSuffix(said, ", which builds the same") {
		t.Errorf("said %q", said)
	}
	a, b := publishedBy(first), publishedBy(second)
	if a.New == b.New || a.Version != b.Version { // either may be the first to publish
		t.Errorf("published %+v and %+v", a, b)
	}
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
