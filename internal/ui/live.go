package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/secret"
)

const (
	tailLines  = 20   // of a build's output, shown when it fails
	tailBytes  = 4096 // of one of them
	widestName = 40   // columns
	widestDo   = 24   // columns of "what it does"
)

// live is the area at the bottom of the terminal: a row for each build under
// way and one for the run.
type live struct {
	color    func(build string) int // SGR code, 0 for none
	secrets  *secret.Set
	started  time.Time
	order    []string
	rows     map[string]*row
	doing    int // widest text of "what it does" so far, so that columns stay where they are
	done     int
	failed   int
	cleaning int // builds that are still being cleaned up, after the results
	ended    bool
	keys     bool // the keyboard is read
	showLogs bool
}

// row is one build.
type row struct {
	started time.Time // zero while it waits for its turn
	ended   bool
	phase   event.Phase
	last    string // line that it printed last
	tail    []tailLine
}

type tailLine struct {
	at   time.Time
	kind kind
	text string
}

func (l *live) row(build string) *row {
	r := l.rows[build]
	if r == nil {
		r = &row{}
		l.rows[build] = r
		l.order = append(l.order, build)
	}
	return r
}

// follow takes what an event changes in the area.
func (l *live) follow(e event.Event) {
	if l.started.IsZero() {
		l.started = e.Time
	}
	if started, ok := e.Body.(event.RunStarted); ok {
		for _, b := range started.Builds {
			l.row(b)
		}
	}
	switch body := e.Body.(type) {
	case event.Results:
		l.cleaning = len(body.Cleaning)
	case event.CleanedUp:
		l.cleaning = max(l.cleaning-1, 0)
	case event.RunDone:
		l.ended = true
	}
	if e.Build == "" {
		return
	}
	r := l.row(e.Build)
	if r.started.IsZero() {
		r.started = e.Time
	}
	switch body := e.Body.(type) {
	case event.Phase:
		r.phase, r.last = body, ""
	case event.BuildDone:
		if !r.ended {
			r.ended = true
			l.done++
			if body.Err != nil {
				l.failed++
			}
		}
		r.last = ""
	}
}

// output keeps a line of a build, which is all that is kept of its output.
func (r *row) output(t tailLine) {
	t.text = cut(t.text)
	if len(r.tail) == tailLines {
		copy(r.tail, r.tail[1:])
		r.tail = r.tail[:tailLines-1]
	}
	r.tail = append(r.tail, t)
}

// cut shortens a line that is too long to be kept.
func cut(text string) string {
	if len(text) <= tailBytes {
		return text
	}
	return strings.ToValidUTF8(text[:tailBytes], "") + "…"
}

func (r *row) doing() string {
	switch {
	case r.started.IsZero():
		return "waiting"
	case r.phase.Step > 0:
		return fmt.Sprintf("%d/%d %s", r.phase.Step, r.phase.Steps, r.phase.Detail)
	case r.phase.Name == "":
		return "starting"
	}
	return strings.TrimSpace(r.phase.Name + " " + r.phase.Detail)
}

// frame returns the lines of the area, which fit into cols columns and leave a
// row of the terminal to what is above them.
func (l *live) frame(cols, rows int, now time.Time) []string {
	if l.ended || len(l.order) == 0 {
		return nil
	}
	running, waiting := l.open()
	shown, room := running, max(rows-2, 1) // one for the run, one for what is above
	more := len(running) + len(waiting) - room
	if more <= 0 {
		shown = append(shown, waiting...)
	} else {
		shown = shown[:min(len(shown), room-1)]
		more = len(running) + len(waiting) - len(shown)
	}
	name := 0
	for _, b := range shown {
		name = max(name, columns(l.clean(b)))
		l.doing = max(l.doing, columns(l.clean(l.rows[b].doing())))
	}
	name, l.doing = min(name, widestName), min(l.doing, widestDo)
	var out []string
	for _, b := range shown {
		out = append(out, l.draw(b, name, cols-1, now))
	}
	if more > 0 {
		out = append(out, l.dim(fit(fmt.Sprintf("   … and %d more", more), cols-1)))
	}
	return append(out, l.dim(fit(l.status(len(running), len(waiting), now), cols-1)))
}

// clean returns text as it may be shown, on one line.
func (l *live) clean(text string) string {
	return strings.Join(lines(text, l.secrets, false), " ")
}

// open returns the builds that are under way, and those that wait.
func (l *live) open() (running, waiting []string) {
	for _, b := range l.order {
		switch r := l.rows[b]; {
		case r.ended:
		case r.started.IsZero():
			waiting = append(waiting, b)
		default:
			running = append(running, b)
		}
	}
	return running, waiting
}

// draw returns the row of a build: marker, name, what it does, for how long,
// what it printed last.
func (l *live) draw(build string, name, cols int, now time.Time) string {
	const spinner = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
	r := l.rows[build]
	marker, took := "·", ""
	if !r.started.IsZero() {
		frames := []rune(spinner)
		elapsed := max(now.Sub(r.started), 0)
		marker, took = string(frames[elapsed/(200*time.Millisecond)%time.Duration(len(frames))]), clock(elapsed)
	}
	left := fit(fmt.Sprintf(" %s %s", marker, pad(l.clean(build), name)), cols)
	middle := fit(fmt.Sprintf("  %s %6s  ", pad(l.clean(r.doing()), l.doing), took), cols-columns(left))
	right := fit(strings.ReplaceAll(r.last, "\t", " "), cols-columns(left)-columns(middle))
	if code := l.color(build); code != 0 {
		left = fmt.Sprintf("\x1b[%dm%s%s", code, left, reset)
	}
	return left + middle + l.dim(right)
}

func (l *live) status(running, waiting int, now time.Time) string {
	parts := []string{fmt.Sprintf("%d running", running)}
	if l.cleaning > 0 {
		parts = []string{fmt.Sprintf("%d cleaning up", l.cleaning)}
	}
	for _, c := range []struct {
		n    int
		what string
	}{{waiting, "waiting"}, {l.done - l.failed, "done"}, {l.failed, "failed"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	parts = append(parts, clock(now.Sub(l.started)))
	switch {
	case l.keys && l.showLogs:
		parts = append(parts, "l hides the logs")
	case l.keys:
		parts = append(parts, "l shows the logs")
	}
	return "   " + strings.Join(parts, " · ")
}

func (l *live) dim(text string) string {
	if text == "" || l.color("") == 0 {
		return text
	}
	return "\x1b[2m" + text + reset
}

// clock returns a time as 1:02 or 1:02:03.
func clock(d time.Duration) string {
	s := int(max(d, 0).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
