//go:build linux

package ui

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/ingot-build/ingot/internal/event"
)

// TestMain makes the test binary the program in the terminal, where it is
// started as that: keys come only to one that has a terminal of its own.
func TestMain(m *testing.M) {
	if os.Getenv("UI_TEST_PLAYER") != "" {
		perform(os.NewFile(3, "commands"))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// perform shows the events that its commands ask for, one a line.
func perform(commands *os.File) {
	v := Terminal(Options{Color: true, LogDir: "logs"}, os.Stdin, os.Stdout)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM)
	go func() {
		<-signals
		v.Close()
		os.Exit(1)
	}()
	emit := func(build string, b event.Body) { v.Emit(event.Event{Time: time.Now(), Build: build, Body: b}) }
	for in := bufio.NewScanner(commands); in.Scan(); {
		f := strings.SplitN(in.Text(), " ", 3)
		f = append(f, "", "")
		switch f[0] {
		case "start":
			emit("", event.RunStarted{Builds: strings.Fields(f[1] + " " + f[2])})
		case "step":
			n, _ := strconv.Atoi(f[2])
			emit(f[1], event.Phase{Name: "provision", Detail: "shell", Step: n, Steps: 5})
		case "out":
			emit(f[1], event.Output{Text: f[2]})
		case "done":
			emit(f[1], event.BuildDone{Took: time.Second})
		case "fail":
			err := &adviceError{"shell: exit code 3", "look there"}
			emit(f[1], event.Failed{Err: err})
			emit(f[1], event.BuildDone{Err: err, Took: time.Second})
		case "ask":
			v.Pause()
			fmt.Print("really? ")
			var answer string
			fmt.Scanln(&answer)
			fmt.Printf("answer: %s\n", answer)
			v.Resume()
		case "panic":
			emit("", event.Failed{Err: panicError{}})
		case "end":
			emit("", event.RunDone{Took: time.Minute})
		case "close":
			v.Close()
			return
		}
	}
}

// panicError is an error that breaks who looks at it.
type panicError struct{}

func (panicError) Error() string { panic("broken") }

// player is a process with a terminal view in a pseudo terminal.
type player struct {
	*screen
	t        *testing.T
	cmd      *exec.Cmd
	tty, pty *os.File
	commands *os.File
	ended    chan struct{}
}

func play(t *testing.T, cols, rows int) *player {
	t.Helper()
	p := &player{screen: newScreen(cols, rows), t: t, ended: make(chan struct{})}
	var err error
	if p.pty, p.tty, err = pty.Open(); err != nil {
		t.Skip("cannot run here: no pseudo terminals:", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.commands = w
	p.size(cols, rows)
	p.cmd = exec.Command(os.Args[0])
	p.cmd.Env = append(os.Environ(), "UI_TEST_PLAYER=1")
	p.cmd.Stdin, p.cmd.Stdout, p.cmd.ExtraFiles = p.tty, p.tty, []*os.File{r}
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r.Close()
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := p.pty.Read(buf)
			p.screen.Write(buf[:n])
			if err != nil {
				return
			}
		}
	}()
	go func() {
		_ = p.cmd.Wait() // how it ends is the test's business
		close(p.ended)
	}()
	t.Cleanup(func() {
		p.cmd.Process.Kill()
		<-p.ended
		w.Close()
		p.tty.Close()
		p.pty.Close()
	})
	return p
}

func (p *player) size(cols, rows int) {
	p.t.Helper()
	p.screen.resize(cols, rows)
	if err := pty.Setsize(p.pty, &pty.Winsize{Cols: uint16(cols), Rows: uint16(rows)}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *player) do(commands ...string) {
	p.t.Helper()
	for _, c := range commands {
		if _, err := fmt.Fprintln(p.commands, c); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *player) key(keys string) {
	p.t.Helper()
	if _, err := p.pty.WriteString(keys); err != nil {
		p.t.Fatal(err)
	}
}

// until waits for the screen to come to look as it should.
func (p *player) until(what string, ok func(visible string) bool) {
	p.t.Helper()
	hung := time.After(time.Minute)
	for !ok(p.visible()) {
		select {
		case <-p.changed:
		case <-hung:
			p.t.Fatalf("never seen: %s; on the screen:\n%s", what, p.visible())
		}
	}
}

func (p *player) shows(texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		p.until(text, func(visible string) bool { return strings.Contains(visible, text) })
	}
}

// wait waits for the end of the process and checks the terminal it leaves.
func (p *player) wait() {
	p.t.Helper()
	<-p.ended
	p.until("the cursor", func(string) bool { return !p.cursorHidden() })
	if !p.cooked() {
		p.t.Error("the terminal was not given back")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.wrapped || len(p.unknown) > 0 {
		p.t.Errorf("wrapped %v, sequences %q", p.wrapped, p.unknown)
	}
}

// cooked reports whether the terminal gives whole lines and echoes them.
func (p *player) cooked() bool {
	p.t.Helper()
	s, err := unix.IoctlGetTermios(int(p.tty.Fd()), getTermios)
	if err != nil {
		p.t.Fatal(errors.Join(errors.New("read the terminal's settings"), err))
	}
	return s.Lflag&unix.ICANON != 0 && s.Lflag&unix.ECHO != 0
}
