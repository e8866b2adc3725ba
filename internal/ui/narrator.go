package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/secret"
)

// kind is what Packer calls a line in its machine-readable output.
type kind string

const (
	say     kind = "say"
	message kind = "message"
	failure kind = "error"
)

// voice is how a narrator is heard.
type voice interface {
	// line takes one text, redacted, without newline at its end. build is ""
	// where it is about the run.
	line(at time.Time, k kind, build, text string)
	// record takes what only programs read.
	record(at time.Time, target, name string, data ...string)
}

// narrator tells events in Packer's words.
type narrator struct {
	voice   voice
	secrets *secret.Set
	logDir  string
	colours bool // keep the colours of what commands print
	phases  bool // tell of every phase
	brief   bool // end with the artifacts

	now       time.Time // of the event being told
	order     []string
	builds    map[string]*outcome
	published []event.Published
	concluded bool // what came of the builds has been told
}

// outcome is what is known of a build so far.
type outcome struct {
	phase     event.Phase
	skipped   bool
	ended     bool
	err       error
	reported  string // text of the last error that was told
	artifacts []artifact.Artifact
	took      time.Duration
	times     []event.Time
	cleanup   *event.CleanedUp // beside or after the other phases
	log       string
}

func newNarrator(o Options, v voice) *narrator {
	return &narrator{voice: v, secrets: o.Secrets, logDir: o.LogDir, colours: o.Color, brief: o.Brief, builds: map[string]*outcome{}}
}

func (n *narrator) build(name string) *outcome {
	b := n.builds[name]
	if b == nil {
		b = &outcome{}
		n.builds[name] = b
		n.order = append(n.order, name)
	}
	return b
}

// tell tells one event.
func (n *narrator) tell(e event.Event) {
	n.now = e.Time
	switch body := e.Body.(type) {
	case event.RunStarted:
		for _, name := range body.Builds {
			n.build(name)
		}
	case event.Phase:
		n.phase(e.Build, body)
	case event.Say:
		n.say(say, e.Build, body.Text)
	case event.Output:
		n.output(e.Build, body)
	case event.Warning:
		n.say(say, e.Build, "Warning: "+body.Text)
	case event.Failed:
		n.failed(e.Build, body.Err)
	case event.Skipped:
		n.build(e.Build).skipped = true
		n.say(say, e.Build, body.Why)
	case event.StepDone:
		n.stepDone(e.Build, body)
	case event.TestDone:
		n.testDone(e.Build, body)
	case event.BuildDone:
		n.done(e.Build, body)
	case event.CleanedUp:
		n.cleanedUp(e.Build, body)
	case event.Published:
		n.published = append(n.published, body)
	case event.Results:
		n.results(body)
	case event.RunDone:
		n.results(event.Results{Took: body.Took, Failed: body.Failed, Cancelled: body.Cancelled})
		if !n.brief {
			n.times()
		}
	}
}

// line hands on a text that is whole: nothing is heard that was not redacted.
func (n *narrator) line(k kind, build, text string) {
	text = strings.TrimRight(n.secrets.Redact(text), " \t\n")
	n.voice.line(n.now, k, build, text)
}

// prefixed hands on each line of a text behind prefix.
func (n *narrator) prefixed(k kind, build, prefix, text string) {
	for _, line := range lines(text, n.secrets, n.colours) {
		n.line(k, build, prefix+line)
	}
}

func (n *narrator) say(k kind, build, text string) {
	if build == "" {
		n.prefixed(k, "", "", text)
		return
	}
	n.prefixed(k, build, "==> "+build+": ", text)
}

func (n *narrator) output(build string, o event.Output) {
	switch {
	case o.Stderr:
		n.say(failure, build, o.Text)
	case build == "":
		n.prefixed(message, "", "    ", o.Text)
	default:
		n.prefixed(message, build, "    "+build+": ", o.Text)
	}
}

func (n *narrator) phase(build string, p event.Phase) {
	n.build(build).phase = p
	switch {
	case p.Step > 0:
		n.say(say, build, fmt.Sprintf("Provisioning with %s (%d/%d)…", p.Detail, p.Step, p.Steps))
	case p.Name == "post-process" && p.Detail != "":
		n.say(say, build, "Running post-processor: "+p.Detail)
	case n.phases:
		n.say(say, build, strings.TrimRight("Phase: "+p.Name+" "+p.Detail, " "))
	}
}

func (n *narrator) stepDone(build string, s event.StepDone) {
	switch {
	case s.Cached:
		n.say(say, build, fmt.Sprintf("Step %d/%d (%s) was done before: its result is used", s.Step, n.build(build).phase.Steps, s.Name))
	case n.phases:
		n.say(say, build, fmt.Sprintf("Step %d (%s) took %s", s.Step, s.Name, inWords(s.Took)))
	}
}

func (n *narrator) failed(build string, err error) {
	if err == nil {
		return
	}
	if build == "" {
		n.say(failure, "", "Error: "+err.Error())
		n.hint("", err)
		return
	}
	n.say(failure, build, n.reason(build, err))
	n.hint(build, err)
	n.build(build).reported = err.Error()
}

func (n *narrator) hint(build string, err error) {
	if text := builders.Hint(err); text != "" {
		n.prefixed(failure, build, "    hint: ", text)
	}
}

func (n *narrator) done(build string, d event.BuildDone) {
	b := n.build(build)
	b.ended, b.err, b.artifacts, b.took, b.times, b.log = true, d.Err, d.Artifacts, d.Took, d.Times, d.Log
	if b.log == "" {
		b.log = LogPath(n.logDir, build)
	}
	if d.Err == nil {
		n.line(say, build, fmt.Sprintf("Build '%s' finished after %s.", build, inWords(d.Took)))
		return
	}
	n.line(failure, build, fmt.Sprintf("Build '%s' errored after %s: %s", build, inWords(d.Took), n.reason(build, d.Err)))
	if d.Err.Error() != b.reported {
		n.hint(build, d.Err)
	}
	if b.log != "" {
		n.line(failure, build, "    log: "+b.log)
	}
}

func (n *narrator) cleanedUp(build string, c event.CleanedUp) {
	n.build(build).cleanup = &c
	switch {
	case c.Err != nil:
		n.say(say, build, "Warning: clean up: "+c.Err.Error())
		n.hint(build, c.Err)
	case n.phases:
		n.say(say, build, "Cleaned up after "+inWords(c.Took))
	}
}

// reason returns the text of an error, without the build's address where it
// begins with it: the line does so already.
func (n *narrator) reason(build string, err error) string {
	return n.plain(strings.TrimPrefix(err.Error(), build+": "))
}

// plain cleans a text that keeps its line breaks.
func (n *narrator) plain(text string) string {
	return strings.Join(lines(text, n.secrets, n.colours), "\n")
}
