//go:build linux

package ui

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/event"
)

func TestTerminalShowsBuildsLive(t *testing.T) {
	t.Parallel()
	p := play(t, 60, 12)
	p.do("start docker.web null.vm", "step docker.web 2", "out docker.web Get:1 日本語 and more than there is room for here")
	p.until("both rows and the status", regexp.MustCompile(
		`(?m)^ \S docker\.web  2/5 shell   0:\d\d  Get:1 日本語 and more tha…
 · null\.vm     waiting
   1 running · 1 waiting · 0:\d\d · l shows the logs$`).MatchString)
	if !p.cursorHidden() || p.cooked() {
		t.Error("the cursor is to be hidden, keys are to come one by one")
	}
	p.do("step null.vm 1", "done docker.web")
	p.until("docker.web above null.vm", regexp.MustCompile(
		`^✓ Build 'docker\.web' finished after 1 second\.
 \S null\.vm  1/5 shell   0:\d\d
   1 running · 1 done · 0:\d\d · l shows the logs$`).MatchString)
	p.do("done null.vm", "end", "close")
	p.wait()
	want := "✓ Build 'docker.web' finished after 1 second.\n✓ Build 'null.vm' finished after 1 second.\n\n" +
		"==> Wait completed after 1 minute\n\n==> Builds finished but no artifacts were created."
	if got := p.visible(); got != want {
		t.Errorf("at the end there is\n%s\nwant\n%s", got, want)
	}
}

func TestTerminalShowsWhyABuildFailed(t *testing.T) {
	t.Parallel()
	p := play(t, 80, 40)
	p.do("start null.a null.b", "step null.a 1", "step null.b 1")
	for i := range 30 {
		p.do(fmt.Sprintf("out null.a line %d", i), fmt.Sprintf("out null.b other %d", i))
	}
	p.do("fail null.a")
	p.shows("1 running · 1 failed")
	var want []string
	for i := 10; i < 30; i++ {
		want = append(want, fmt.Sprintf("    null.a: line %d", i))
	}
	want = append(want, "==> null.a: shell: exit code 3", "    hint: look there",
		"✗ Build 'null.a' errored after 1 second", "    log: logs/null.a.log", " ")
	if got := p.visible(); !strings.HasPrefix(got, strings.Join(want, "\n")) {
		t.Errorf("got\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
	p.do("done null.b", "end", "close")
	p.wait()
	if got := p.all(); strings.Contains(got, "null.b: other") || !strings.Contains(got, "--> null.a: shell: exit code 3\n    hint: look there\n    log: logs/null.a.log") {
		t.Errorf("at the end there is\n%s", got)
	}
}

func TestTerminalKeyShowsLogs(t *testing.T) {
	t.Parallel()
	p := play(t, 60, 10)
	p.do("start null.a null.b", "step null.a 1", "out null.a before")
	p.shows("before")
	p.key("xl")
	p.shows("l hides the logs")
	for i := range 20 {
		p.do(fmt.Sprintf("out null.a during %d", i))
	}
	p.until("logs above the rows", regexp.MustCompile(`null\.a: during 18\n    null\.a: during 19\n \S null\.a  1/5 shell .*during 19\n · null\.b`).MatchString)
	p.key("l")
	p.shows("l shows the logs")
	p.do("out null.a after")
	p.shows("after")
	p.do("close")
	p.wait()
	if got := p.all(); strings.Contains(got, "null.a: before") || strings.Contains(got, "null.a: after") || strings.Count(got, "null.a: during") != 20 {
		t.Errorf("got\n%s", got)
	}
}

func TestTerminalCollapsesAndResizes(t *testing.T) {
	t.Parallel()
	p := play(t, 80, 10)
	var builds []string
	for i := range 200 {
		builds = append(builds, fmt.Sprintf("null.vm%03d", i))
	}
	p.do("start " + strings.Join(builds, " "))
	for _, b := range builds[100:120] {
		p.do("step "+b+" 1", "out "+b+" "+strings.Repeat("wide ", 40))
	}
	p.shows("   … and 193 more", "20 running · 180 waiting")
	for _, first := range []string{"null.vm100", "null.vm106"} {
		p.shows(first)
	}
	p.size(40, 6)
	p.shows("   … and 197 more", "20 running · 180 waiting ·")
	p.size(120, 30)
	p.shows("   … and 180 more", "null.vm119")
	p.do("close")
	p.wait()
	if got := p.visible(); strings.Contains(got, "null.vm") {
		t.Errorf("rows are left on the screen:\n%s", got)
	}
}

func TestTerminalMakesRoomForAQuestion(t *testing.T) {
	t.Parallel()
	p := play(t, 60, 10)
	p.do("start null.a", "step null.a 1")
	p.shows("1 running")
	p.do("ask")
	p.until("only the question", func(visible string) bool { return visible == "really?" })
	if p.cursorHidden() || !p.cooked() {
		t.Error("the question has no cursor, or no lines")
	}
	p.key("lull\n")
	p.shows("really? lull\nanswer: lull", "1 running · 0:", "l shows the logs") // it was no key
	p.do("close")
	p.wait()
}

func TestTerminalIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*player){
		"close":   func(p *player) { p.do("close") },
		"SIGTERM": func(p *player) { p.cmd.Process.Signal(syscall.SIGTERM) },
		"SIGQUIT": func(p *player) { p.cmd.Process.Signal(syscall.SIGQUIT) },
		"panic":   func(p *player) { p.do("panic") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := play(t, 60, 10)
			p.do("start null.a", "step null.a 1")
			p.shows("1 running")
			if p.cooked() || !p.cursorHidden() {
				t.Fatal("the terminal was not taken")
			}
			end(p)
			p.wait()
			if got := p.visible(); strings.Contains(got, "1 running") {
				t.Errorf("the live area is left:\n%s", got)
			}
		})
	}
}

func TestTerminalInterruptsStaySignals(t *testing.T) {
	t.Parallel()
	p := play(t, 60, 10)
	p.do("start null.a", "step null.a 1")
	p.shows("1 running")
	p.key("\x03") // ctrl-C: the player does not handle SIGINT and dies of it
	<-p.ended
	if s := p.cmd.ProcessState.Sys().(syscall.WaitStatus); !s.Signaled() || s.Signal() != syscall.SIGINT {
		t.Errorf("it ended with %v", p.cmd.ProcessState)
	}
}

func TestTerminalKeepsLittle(t *testing.T) {
	t.Parallel()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	v := Terminal(Options{Color: true}, null, null).(*terminal)
	v.press('l')
	v.Pause() // nobody answers, and the builds go on
	var all sync.WaitGroup
	for i := range 200 {
		all.Go(func() {
			log := event.Log{Build: fmt.Sprintf("null.vm%d", i), Sink: v}
			for range 100 {
				log.Output(strings.Repeat("x", 1000), false)
			}
		})
	}
	all.Wait()
	v.mu.Lock()
	kept := v.pending.Len()
	v.mu.Unlock()
	if kept > manyBytes+1100 {
		t.Errorf("%d bytes wait for the answer", kept)
	}
	v.Resume()
	v.press('l')
	for range 100 {
		event.Log{Build: "null.vm0", Sink: v}.Output(strings.Repeat("é", 10_000), true)
	}
	if err := v.Close(); err != nil {
		t.Fatal(err)
	}
	if err := v.Close(); err != nil {
		t.Fatal("closed again:", err)
	}
	r := v.live.rows["null.vm0"]
	if len(r.tail) != tailLines || len(r.tail[0].text) > tailBytes+len("…") {
		t.Errorf("kept %d lines, the first of %d bytes", len(r.tail), len(r.tail[0].text))
	}
}

func TestEverybodyAtOnce(t *testing.T) {
	t.Parallel()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	var plain, lines, machine strings.Builder // no lock: each view writes in turn
	logs := Logs(Options{LogDir: t.TempDir()})
	sinks := []View{
		Plain(Options{Out: &plain}), JSON(Options{Out: &lines}),
		MachineReadable(Options{Out: &machine}), Terminal(Options{}, null, null),
	}
	s := Tee(logs, sinks[0], sinks[1], sinks[2], sinks[3])
	var all sync.WaitGroup
	for i := range 20 {
		all.Go(func() {
			for _, e := range recorded() {
				if e.Build != "" {
					e.Time, e.Build = time.Now(), fmt.Sprintf("null.vm%d", i)
					s.Emit(e)
				}
			}
		})
	}
	all.Wait()
	for _, v := range sinks {
		if err := v.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := logs.Close(); err != nil {
		t.Error(err)
	}
	if n := strings.Count(plain.String(), ": hello, world\n"); n != 20 {
		t.Errorf("%d of 20 lines", n)
	}
}
