package inside

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/pkg/sftp"
	gossh "golang.org/x/crypto/ssh"
)

const shell = "/bin/sh"

// held is how long the output of a command that has ended is waited for when
// something that it left behind holds it open.
const held = 2 * time.Second

// login is who the sessions are of: the user of the process.
type login struct {
	user, home string
	env        []string
}

func newLogin() *login {
	l := &login{user: "root", home: "/"}
	if u, err := user.Current(); err == nil {
		l.user, l.home = u.Username, u.HomeDir
	}
	if st, err := os.Stat(l.home); err != nil || !st.IsDir() {
		l.home = "/"
	}
	l.env = environ(l)
	return l
}

func nameOf(variable string) string {
	name, _, _ := strings.Cut(variable, "=")
	return name
}

// session is one that a client has asked for.
type session struct {
	*login
	ch       gossh.Channel
	env      []string
	terminal *pty.Winsize // nil without one
	master   *os.File     // of the terminal, while the command runs
	cmd      *exec.Cmd
	done     chan struct{} // closed when the session has nothing more to do
}

func (l *login) session(asked gossh.NewChannel) {
	ch, requests, err := asked.Accept()
	if err != nil {
		return
	}
	s := &session{login: l, ch: ch, env: slices.Clone(l.env), done: make(chan struct{})}
	for {
		select {
		case r, open := <-requests:
			if !open {
				s.kill(syscall.SIGKILL)
				return
			}
			ok := s.request(r)
			if r.WantReply {
				_ = r.Reply(ok, nil)
			}
		case <-s.done:
			ch.Close()
			for range requests { // until the other side has closed it too
			}
			return
		}
	}
}

// request does what one asks for, and reports whether it could.
func (s *session) request(r *gossh.Request) bool {
	switch r.Type {
	case "env":
		var v struct{ Name, Value string }
		if gossh.Unmarshal(r.Payload, &v) == nil {
			s.env = append(s.env, v.Name+"="+v.Value)
			return true
		}
	case "pty-req":
		var t struct {
			Term                string
			Columns, Rows, X, Y uint32
			Modes               string
		}
		if gossh.Unmarshal(r.Payload, &t) == nil {
			s.env = append(s.env, "TERM="+t.Term)
			s.terminal = &pty.Winsize{Cols: uint16(t.Columns), Rows: uint16(t.Rows)}
			return true
		}
	case "window-change":
		var t struct{ Columns, Rows, X, Y uint32 }
		if s.master != nil && gossh.Unmarshal(r.Payload, &t) == nil {
			return pty.Setsize(s.master, &pty.Winsize{Cols: uint16(t.Columns), Rows: uint16(t.Rows)}) == nil
		}
	case "signal":
		s.kill(syscall.SIGTERM)
		return true
	case "exec":
		var c struct{ Command string }
		if gossh.Unmarshal(r.Payload, &c) == nil {
			return s.start(shell, "-c", c.Command)
		}
	case "shell":
		return s.start(shell)
	case "subsystem":
		var n struct{ Name string }
		if gossh.Unmarshal(r.Payload, &n) == nil && n.Name == "sftp" {
			return s.sftp()
		}
	}
	return false
}

// kill signals the command and all of its process group.
func (s *session) kill(sig syscall.Signal) {
	if s.cmd != nil && s.cmd.Process != nil {
		_ = syscall.Kill(-s.cmd.Process.Pid, sig)
	}
}

// start starts the command of the session.
func (s *session) start(argv ...string) bool {
	if s.cmd != nil {
		return false
	}
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Dir, s.cmd.Env, s.cmd.WaitDelay = s.home, s.env, held
	var output func()
	var err error
	if s.terminal != nil {
		output, err = s.onTerminal()
	} else {
		output, err = s.onPipes()
	}
	if err != nil {
		fmt.Fprintln(s.ch.Stderr(), err)
		go s.end(127, "")
		return true
	}
	go func() {
		output()
		err := s.cmd.Wait()
		code, signal := 0, ""
		if state := s.cmd.ProcessState; state != nil {
			code = state.ExitCode()
			if ws, ok := state.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
				signal = signalName(ws.Signal())
				code = 128 + int(ws.Signal())
			}
		} else if err != nil {
			code = 127
		}
		s.end(code, signal)
	}()
	return true
}

// signalName is the protocol's name of a signal.
func signalName(s syscall.Signal) string {
	return map[syscall.Signal]string{
		syscall.SIGABRT: "ABRT", syscall.SIGALRM: "ALRM", syscall.SIGFPE: "FPE", syscall.SIGHUP: "HUP", syscall.SIGILL: "ILL",
		syscall.SIGINT: "INT", syscall.SIGKILL: "KILL", syscall.SIGPIPE: "PIPE", syscall.SIGQUIT: "QUIT", syscall.SIGSEGV: "SEGV",
		syscall.SIGTERM: "TERM", syscall.SIGUSR1: "USR1", syscall.SIGUSR2: "USR2",
	}[s]
}

// onPipes starts the command with pipes; the result waits for nothing.
func (s *session) onPipes() (func(), error) {
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	s.cmd.Stdout, s.cmd.Stderr = s.ch, s.ch.Stderr()
	in, err := s.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_, _ = io.Copy(in, s.ch)
		in.Close()
	}()
	return func() {}, nil
}

// onTerminal starts the command on a terminal; the result waits until all that
// it prints was read.
func (s *session) onTerminal() (func(), error) {
	master, err := pty.StartWithSize(s.cmd, s.terminal)
	if err != nil {
		return nil, err
	}
	s.master = master
	go func() { _, _ = io.Copy(master, s.ch) }()
	return func() { _, _ = io.Copy(s.ch, master) }, nil
}

// end tells the client how the command ended.
func (s *session) end(code int, signal string) {
	_ = s.ch.CloseWrite()
	if signal != "" {
		_, _ = s.ch.SendRequest("exit-signal", false, gossh.Marshal(struct {
			Signal     string
			CoreDumped bool
			Error      string
			Lang       string
		}{Signal: signal}))
	} else {
		_, _ = s.ch.SendRequest("exit-status", false, gossh.Marshal(struct{ Status uint32 }{uint32(code)}))
	}
	close(s.done)
}

// sftp serves SFTP, so that the container needs no program for it.
func (s *session) sftp() bool {
	server, err := sftp.NewServer(s.ch, sftp.WithServerWorkingDirectory(s.home))
	if err != nil {
		return false
	}
	go func() {
		code := 0
		if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
			code = 1
		}
		s.end(code, "")
	}()
	return true
}
