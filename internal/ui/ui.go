// Package ui turns the events of a run into text: Packer's lines, JSON lines,
// Packer's machine-readable lines, a live view of a terminal, and log files.
package ui

import (
	"io"
	"sync"

	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/secret"
)

// Options are what the consumers have in common.
type Options struct {
	Out       io.Writer   // where the text goes: stdout, errors too, as Packer does
	Color     bool        // the caller has looked at the terminal, NO_COLOR and -color
	Timestamp bool        // RFC 3339 time in front of each line of a build
	Secrets   *secret.Set // what to redact, in every consumer
	LogDir    string      // folder of the log files, "" where none are written
	Brief     bool        // end with the artifacts, as Packer does
}

// View shows a run to its user. Its methods may be called from several
// goroutines.
type View interface {
	event.Sink
	// Pause leaves the terminal to a question until Resume. Views that draw
	// nothing which could disturb it do nothing.
	Pause()
	Resume()
	// Close gives the terminal back and returns the first error of writing.
	// It may be called at any time, and again.
	Close() error
}

// Tee returns a sink that passes each event to all sinks, in their order.
func Tee(sinks ...event.Sink) event.Sink { return tee(sinks) }

type tee []event.Sink

func (t tee) Emit(e event.Event) {
	for _, s := range t {
		s.Emit(e)
	}
}

// output is a writer that writes no more after its first error, and keeps it:
// a reader that went away must not stop the builds.
type output struct {
	w   io.Writer
	err error
}

func (o *output) write(p []byte) {
	if o.err == nil && len(p) > 0 {
		_, o.err = o.w.Write(p)
	}
}

// steady is the part of a View that has nothing to pause.
type steady struct {
	mu  sync.Mutex
	out output
}

func (*steady) Pause()  {}
func (*steady) Resume() {}

func (s *steady) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.out.err
}
