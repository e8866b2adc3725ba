package outage

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/event"
)

// lines collects what is said.
type lines struct{ said []string }

func (l *lines) Emit(e event.Event) {
	if s, ok := e.Body.(event.Say); ok {
		l.said = append(l.said, s.Text)
	}
}

// TestWatch says each outage once in each log that listens.
func TestWatch(t *testing.T) {
	t.Parallel()
	var w Watch
	var first, second lines
	stop := w.Listen(event.Log{Sink: &first})
	defer w.Listen(event.Log{Sink: &second})()
	at := time.Now().Add(10 * time.Minute)
	for range 3 {
		w.Refused("EC2 at http://a", "connection refused", at)
	}
	stop()
	w.Answered("EC2 at http://a")
	w.Refused("EC2 at http://a", "no such host", time.Now().Add(time.Second))
	want := []string{"EC2 at http://a does not answer (connection refused), trying until " + at.Format("15:04"),
		"EC2 at http://a does not answer (no such host), trying again"}
	if !slices.Equal(first.said, want[:1]) || !slices.Equal(second.said, want) {
		t.Errorf("said %q and %q", first.said, second.said)
	}
}

func TestCause(t *testing.T) {
	t.Parallel()
	for want, err := range map[string]error{
		"connection refused": fmt.Errorf("call: %w", &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}),
		"no such host":       &net.OpError{Op: "dial", Err: &net.DNSError{Name: "ec2.nowhere", IsNotFound: true}},
		"":                   errors.New("connection reset by peer"),
	} {
		if got := Cause(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

// TestHurry counts tries only where there is a hurry.
func TestHurry(t *testing.T) {
	t.Parallel()
	ctx := Hurry(t.Context())
	for try := 1; try <= Tries+1; try++ {
		if last := Final(ctx); last != (try >= Tries) {
			t.Errorf("try %d: last is %v", try, last)
		}
	}
	for range 5 {
		if Final(t.Context()) {
			t.Error("the last try, without a hurry")
		}
	}
}
