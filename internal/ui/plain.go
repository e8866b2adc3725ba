package ui

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/secret"
)

// Plain returns the view that prints Packer's lines, so that what reads those
// reads ours.
func Plain(o Options) View {
	p := &plain{paint: newPaint(o)}
	p.out.w = o.Out
	p.narrator = newNarrator(o, p)
	return p
}

type plain struct {
	steady
	*paint
	narrator *narrator
	buf      bytes.Buffer
}

func (p *plain) Emit(e event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buf.Reset()
	if started, ok := e.Body.(event.RunStarted); ok {
		p.start(&p.buf, started.Builds)
	}
	p.narrator.tell(e)
	p.out.write(p.buf.Bytes())
}

func (p *plain) line(at time.Time, k kind, build, text string) {
	p.print(&p.buf, at, k, build, text)
}

func (p *plain) record(time.Time, string, string, ...string) {}

// paint gives lines their colour and their time, as Packer does.
type paint struct {
	color, timestamp bool
	secrets          *secret.Set
	builds           []string
}

func newPaint(o Options) *paint {
	return &paint{color: o.Color, timestamp: o.Timestamp, secrets: o.Secrets}
}

const (
	red   = 31
	reset = "\x1b[0m"
)

// start tells which colour each build has.
func (p *paint) start(buf *bytes.Buffer, builds []string) {
	p.builds = builds
	if !p.color || len(builds) == 0 {
		return
	}
	for _, b := range builds {
		fmt.Fprintf(buf, "\x1b[1;%dm%s: output will be in this color.%s\n", p.colorOf(b), p.secrets.Redact(b), reset)
	}
	buf.WriteByte('\n')
}

// colorOf returns the SGR code of a build: green, cyan, magenta, yellow, blue
// in turn.
func (p *paint) colorOf(build string) int {
	codes := [...]int{32, 36, 35, 33, 34}
	return codes[max(slices.Index(p.builds, build), 0)%len(codes)]
}

// print writes text line by line. Lines about the run have no colour and no
// time.
func (p *paint) print(buf *bytes.Buffer, at time.Time, k kind, build, text string) {
	for line := range strings.SplitSeq(text, "\n") {
		if build == "" {
			fmt.Fprintln(buf, line)
			continue
		}
		if p.timestamp {
			line = at.Format(time.RFC3339) + ": " + line
		}
		if p.color {
			line = p.colored(k, build, line)
		}
		fmt.Fprintln(buf, line)
	}
}

func (p *paint) colored(k kind, build, line string) string {
	bold, code := 1, p.colorOf(build)
	switch k {
	case message:
		bold = 0
	case failure:
		code = red
	}
	return fmt.Sprintf("\x1b[%d;%dm%s%s", bold, code, line, reset)
}
