package engine_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/engine"
	"github.com/ingot-build/ingot/internal/event"
)

// The run is over for those who wait for the image before the machine is gone.
func TestCloseIsBehindTheResults(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.hold = make(chan struct{})
	s, err := b.run(t.Context(), "", func(e event.Event) {
		if _, ok := e.Body.(event.Results); ok {
			close(b.hold)
		}
	})
	b.wants(s, err, "seal", "distribute", "close")
	want := "resolve\nbegin\nseal\ndistribute\nBuildDone\nPublished\nResults\nCleanedUp\nRunDone"
	if got := s.told(); got != want {
		t.Errorf("events\n%s\nwant\n%s", got, want)
	}
	if left, _ := os.ReadDir(b.journals); len(left) > 0 {
		t.Errorf("the journal is left: %v", left)
	}
}

// A failed build has cleaned up before it ends.
func TestCloseBeforeAFailure(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.denySeal = errors.New("no image")
	s, err := b.run(t.Context(), "", nil)
	if !errors.Is(err, engine.ErrFailed) {
		t.Errorf("error %v", err)
	}
	want := "resolve\nbegin\nseal\ncleanup\nCleanedUp\nBuildDone\nRunDone"
	if got := s.told(); got != want {
		t.Errorf("events\n%s\nwant\n%s", got, want)
	}
}

// An image is good whatever happens to the machine that it was made of.
func TestCloseFails(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.denyEnd, b.hold = errors.New("the cloud is down"), make(chan struct{})
	s, err := b.run(t.Context(), "", func(e event.Event) {
		if _, ok := e.Body.(event.Results); ok {
			close(b.hold)
		}
	})
	b.wants(s, err, "seal", "distribute", "close")
	if want := "warning: this run leaves 1 resource in test one (machine): run `ingot sweep` to remove it"; !strings.Contains(s.told(), want) {
		t.Errorf("no %q in\n%s", want, s.told())
	}
	b.denyEnd = nil
	s, err = b.run(t.Context(), "", nil)
	b.wants(s, err)
	if got := s.told(); !strings.Contains(got, "warning: a run of ") || !strings.Contains(got, " left 1 resource in test one (machine): run `ingot sweep`") {
		t.Errorf("the next run says\n%s", got)
	}
}

// A signal after the results are known does not change them.
func TestCancelledWhileCleaningUp(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.hold = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := b.run(ctx, "", func(e event.Event) {
		switch body := e.Body.(type) {
		case event.Results:
			cancel()
		case event.Say:
			if strings.Contains(body.Text, "The results stand") {
				close(b.hold)
			}
		}
	})
	b.wants(s, err, "seal", "distribute", "close")
}
