package ui

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"

	"github.com/ingot-build/ingot/internal/event"
)

const (
	frameEvery = 100 * time.Millisecond // the screen changes no more often
	manyBytes  = 32 << 10               // of lines that wait for the next frame
)

// Terminal returns the live view: a line for each build under way, above them
// what stays: builds that ended, warnings, errors with the last lines that
// their build printed; at the end the summary. The key l shows all lines as
// Plain does, and hides them again.
//
// It draws on out (o.Out is not used) and reads keys from in, where that is a
// terminal in the foreground. Interrupts stay signals. The terminal is given
// back by Close, which the caller calls on every way out, also before it exits
// on a second signal; only a panic of this view, SIGQUIT and SIGTSTP are seen
// to here.
func Terminal(o Options, in, out *os.File) View {
	t := &terminal{in: in, paint: newPaint(o), stop: make(chan struct{})}
	t.out.w = out
	t.size = func() (int, int) { return size(out) }
	t.narrator = newNarrator(o, t)
	t.live = &live{rows: map[string]*row{}, secrets: o.Secrets, color: func(build string) int {
		if !o.Color {
			return 0
		}
		return t.paint.colorOf(build)
	}}
	t.listen()
	t.running.Add(1)
	go t.run()
	t.stopSignals = onSuspend(t)
	return t
}

func size(f *os.File) (cols, rows int) {
	cols, rows, err := term.GetSize(int(f.Fd()))
	if err != nil || cols <= 0 || rows <= 0 {
		return 80, 24
	}
	return cols, rows
}

type terminal struct {
	in          *os.File
	size        func() (cols, rows int)
	stop        chan struct{}
	running     sync.WaitGroup
	stopSignals func()

	mu       sync.Mutex
	out      output
	paint    *paint
	narrator *narrator
	live     *live
	body     event.Body   // of the event being told
	pending  bytes.Buffer // lines that stay, for the next frame
	dirty    bool
	shown    string // the frame on the screen, "" for none
	paused   int
	unseen   int // lines of logs that came while paused
	closed   bool
	keys     *keyboard
}

// Emit shows an event, at once or in the next frame.
func (t *terminal) Emit(e event.Event) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.rescue()
	t.body, t.dirty = e.Body, true
	t.live.follow(e)
	switch body := e.Body.(type) {
	case event.RunStarted:
		t.paint.builds = body.Builds
	case event.Failed:
		t.showTail(e.Build)
	case event.BuildDone:
		if body.Err != nil {
			t.showTail(e.Build)
		}
	}
	t.narrator.tell(e)
	switch e.Body.(type) {
	case event.Results, event.RunDone:
		t.draw()
	default:
		if t.pending.Len() > manyBytes {
			t.draw()
		}
	}
}

// line takes the narrator's lines. Those about the run stay, those of a build
// where they say how it ended or where its logs are shown.
func (t *terminal) line(at time.Time, k kind, build, text string) {
	if build == "" {
		t.print(at, k, build, text)
		return
	}
	r := t.live.row(build)
	mark := ""
	switch t.body.(type) {
	case event.Output:
		if _, bare, ok := strings.Cut(strip(text, false), build+":"); ok && strings.TrimSpace(bare) != "" {
			r.last = cut(strings.TrimSpace(bare))
		}
		if !t.live.showLogs {
			r.output(tailLine{at, k, text})
			return
		}
	case event.Say:
		_, r.last, _ = strings.Cut(strip(text, false), build+": ")
		if !t.live.showLogs {
			return
		}
	case event.Phase, event.StepDone:
		if !t.live.showLogs {
			return
		}
	case event.BuildDone:
		b := t.narrator.build(build)
		if b.skipped && b.err == nil && !t.live.showLogs {
			return // that it is unchanged has been said
		}
		if strings.HasPrefix(text, "Build '") {
			mark = map[kind]string{say: "✓ ", failure: "✗ "}[k]
			if b.err != nil && b.err.Error() == b.reported && !t.live.showLogs {
				text, _, _ = strings.Cut(text, ": ") // the error stands above
			}
		}
	}
	t.print(at, k, build, mark+text)
}

func (t *terminal) record(time.Time, string, string, ...string) {}

func (t *terminal) print(at time.Time, k kind, build, text string) {
	if t.paused > 0 && t.pending.Len() > manyBytes {
		t.unseen += strings.Count(text, "\n") + 1
		return
	}
	t.paint.print(&t.pending, at, k, build, text)
}

// showTail prints the last lines of a build, each one once.
func (t *terminal) showTail(build string) {
	if build == "" {
		return
	}
	r := t.live.row(build)
	for _, l := range r.tail {
		t.print(l.at, l.kind, build, l.text)
	}
	r.tail = nil
}

// run draws frames until Close.
func (t *terminal) run() {
	defer t.running.Done()
	tick := time.NewTicker(frameEvery)
	defer tick.Stop()
	for still := 0; ; still++ {
		select {
		case <-t.stop:
			return
		case <-tick.C:
		}
		t.frame(still%2 == 0)
	}
}

// frame draws where something has changed, or the clocks have to.
func (t *terminal) frame(clocks bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.rescue()
	if t.dirty || clocks {
		t.draw()
	}
}

// draw writes the pending lines and the live area below them. The cursor waits
// on the area's first line: there it stays in its place when the terminal is
// resized and wraps or cuts the lines below it.
func (t *terminal) draw() {
	if t.paused > 0 || t.closed {
		return
	}
	t.dirty = false
	cols, rows := t.size()
	lines := t.live.frame(cols, rows, time.Now())
	area := strings.Join(lines, "\x1b[K\n")
	if area == t.shown && t.pending.Len() == 0 {
		return
	}
	var buf bytes.Buffer
	buf.WriteString("\x1b[?25l\r")
	if t.pending.Len() > 0 {
		buf.WriteString("\x1b[J")
		t.pending.WriteTo(&buf)
	}
	buf.WriteString(area + "\x1b[J\r")
	if len(lines) > 1 {
		fmt.Fprintf(&buf, "\x1b[%dA", len(lines)-1)
	}
	if len(lines) == 0 {
		buf.WriteString("\x1b[?25h")
	}
	t.shown = area
	t.out.write(buf.Bytes())
}

// clear takes the live area off the screen; lines that stay are written first.
func (t *terminal) clear() {
	var buf bytes.Buffer
	if t.shown != "" || t.pending.Len() > 0 {
		buf.WriteString("\r\x1b[J")
	}
	t.pending.WriteTo(&buf)
	if t.shown != "" {
		buf.WriteString("\x1b[?25h")
	}
	t.shown = ""
	t.out.write(buf.Bytes())
}

// Pause takes the live area off the screen and leaves the keyboard to the
// caller until Resume. Pauses nest.
func (t *terminal) Pause() {
	t.mu.Lock()
	t.clear()
	t.paused++
	keys := t.takeKeys()
	t.mu.Unlock()
	keys.close()
}

// Resume ends a Pause.
func (t *terminal) Resume() {
	t.mu.Lock()
	t.paused = max(t.paused-1, 0)
	if t.paused == 0 && t.unseen > 0 {
		fmt.Fprintf(&t.pending, "(%d lines came meanwhile and are not shown)\n", t.unseen)
		t.unseen = 0
	}
	t.dirty = true
	t.mu.Unlock()
	t.listen()
}

// Close ends the view and gives the terminal back.
func (t *terminal) Close() error {
	t.mu.Lock()
	first := !t.closed
	t.closed = true
	keys := t.takeKeys()
	t.mu.Unlock()
	keys.close()
	if first {
		t.stopSignals()
		close(t.stop)
	}
	t.running.Wait()
	t.mu.Lock()
	defer t.mu.Unlock()
	t.clear()
	return t.out.err
}

// listen reads keys where nobody else does.
func (t *terminal) listen() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.keys == nil && t.paused == 0 && !t.closed {
		t.keys = openKeyboard(t.in, t.press)
	}
	t.live.keys = t.keys != nil
}

func (t *terminal) takeKeys() *keyboard {
	keys := t.keys
	t.keys, t.live.keys = nil, false
	return keys
}

func (t *terminal) press(key byte) {
	if key != 'l' {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	defer t.rescue()
	t.live.showLogs, t.dirty = !t.live.showLogs, true
}

// rescue gives the terminal back when its own code panics. It must be deferred
// where the lock is held.
func (t *terminal) rescue() {
	if r := recover(); r != nil {
		t.keys.restore()
		t.out.write([]byte("\r\x1b[J\x1b[?25h"))
		panic(r)
	}
}
