// Package event is what a run tells: one stream of typed events, which the
// terminal view, the plain log, the JSON lines and the machine-readable lines
// each turn into text.
package event

import (
	"time"

	"github.com/ingot-build/ingot/internal/artifact"
)

// Sink takes events. It may be called from several goroutines, and must not
// keep the caller waiting for a person.
type Sink interface{ Emit(Event) }

// Event is one thing that happened. Build is the address of the build it
// happened in, "" for the run.
type Event struct {
	Time  time.Time
	Build string
	Body  Body
}

// Body is one of the types below.
type Body interface{ event() }

// RunStarted is the first event of a run.
type RunStarted struct {
	RunID  string
	Builds []string // addresses, in the template's order
}

// Phase says what a build does from now on, until the next Phase or its end.
// Steps counts the provisioners, Step is the 1-based number of this one and 0
// in other phases.
type Phase struct {
	Name        string // "resolve", "wait", "begin", "provision", "seal", "test", "distribute", "post-process", "publish", "cleanup"
	Detail      string // e.g. the provisioner's type
	Step, Steps int
}

// Say is a line of ingot's own about a build: "==> name: text".
type Say struct{ Text string }

// Output is a line that a command printed: "    name: text".
type Output struct {
	Text   string
	Stderr bool
}

// Warning is something the user should know and that stops nothing.
type Warning struct{ Text string }

// Failed is an error of a build, or of the run where Build is "".
type Failed struct{ Err error }

// Skipped says that a build has nothing to do, and why.
type Skipped struct {
	Why     string // e.g. "unchanged since 1.4.0 (…): base, 3 steps, 5 files"
	Version string // the version that has it; "" where none does yet
}

// StepDone ends a step. Cached says that it was not run, its result was there.
type StepDone struct {
	Step   int
	Name   string
	Cached bool
	Took   time.Duration
}

// TestDone ends a test of an image. Known says that it was not run: the image
// passed it before.
type TestDone struct {
	Test  artifact.Test
	Known bool
}

// BuildDone ends a build. Artifacts is empty when it failed.
type BuildDone struct {
	Artifacts []artifact.Artifact
	Err       error
	Took      time.Duration
	Times     []Time
	Log       string // the build's log file, "" where there is none
}

// CleanedUp says that all that a build made beside its artifact is removed, or
// why not. Where the image is made that goes on beside the rest of the build,
// and may end after BuildDone.
type CleanedUp struct {
	Took time.Duration
	Err  error
}

// Time is how long one phase of a build took.
type Time struct {
	Phase string
	Took  time.Duration
}

// Published says which version the run made or found unchanged.
type Published struct {
	Registry, Bucket, Version string
	Channels                  []string
	New                       bool
}

// Results says what came of all builds, where the run goes on only to clean up
// after those in Cleaning. Failed names the builds with errors.
type Results struct {
	Took      time.Duration
	Failed    []string
	Cancelled bool
	Cleaning  []string
}

// RunDone is the last event of a run. Failed names the builds with errors.
type RunDone struct {
	Took      time.Duration
	Failed    []string
	Cancelled bool
}

func (RunStarted) event() {}
func (Phase) event()      {}
func (Say) event()        {}
func (Output) event()     {}
func (Warning) event()    {}
func (Failed) event()     {}
func (Skipped) event()    {}
func (StepDone) event()   {}
func (TestDone) event()   {}
func (BuildDone) event()  {}
func (CleanedUp) event()  {}
func (Published) event()  {}
func (Results) event()    {}
func (RunDone) event()    {}

// Log emits the events of one build. The zero Log emits nothing.
type Log struct {
	Build string
	Sink  Sink
}

// Emit emits body as an event of the build, now.
func (l Log) Emit(body Body) {
	if l.Sink != nil {
		l.Sink.Emit(Event{Time: time.Now(), Build: l.Build, Body: body})
	}
}

// Say emits a line of ingot's own.
func (l Log) Say(text string) { l.Emit(Say{Text: text}) }

// Output emits a line that a command printed.
func (l Log) Output(text string, stderr bool) { l.Emit(Output{Text: text, Stderr: stderr}) }

// Warn emits a warning.
func (l Log) Warn(text string) { l.Emit(Warning{Text: text}) }
