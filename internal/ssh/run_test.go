package ssh_test

import (
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/sshtest"
	"github.com/ingot-build/ingot/internal/transport"
)

func script(text string) *op.Exec { return &op.Exec{Argv: []string{"/bin/sh", "-c", text}} }

func TestRun(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{})))
	for name, test := range map[string]struct {
		op   op.Exec
		want []string
		code int
	}{
		"output":         {*script("echo a; echo b; echo c >&2"), []string{"a", "b", "stderr: c"}, 0},
		"no newline":     {*script("printf a; printf b >&2"), []string{"a", "stderr: b"}, 0},
		"nothing":        {*script(":"), nil, 0},
		"code":           {*script("exit 255"), nil, 255},
		"not by itself":  {*script("kill -TERM $$"), nil, 143},
		"not found":      {op.Exec{Argv: []string{"/no/such"}}, nil, 127},
		"not executable": {op.Exec{Argv: []string{"/etc/passwd"}}, nil, 126},
		"input is empty": {op.Exec{Argv: []string{"cat"}}, nil, 0},
		"quotes":         {op.Exec{Argv: []string{"printf", "%s|", "it's", "", "$HOME `x` \\ \"", "-n"}}, []string{"it's||$HOME `x` \\ \"|-n|"}, 0},
		"env": {op.Exec{
			Argv: []string{"/bin/sh", "-c", `printf "%s\n" "$A" "$PATH"`},
			Env:  map[string]secret.String{"A": secret.Sensitive("it's\n$x"), "PATH": secret.Plain("/nowhere")},
		}, []string{"it's", "$x", "/nowhere"}, 0},
		"folder":       {op.Exec{Argv: []string{"pwd"}, Dir: "/usr/bin"}, []string{"/usr/bin"}, 0},
		"closed":       {*script("exec >&- 2>&-; exit 4"), nil, 4},
		"no stray fds": {*script("ls /proc/self/fd | tr '\\n' ' '"), []string{"0 1 2 3 "}, 0},
		"umask":        {*script("umask"), []string{"0022"}, 0},
		"traps":        {*script("trap"), nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out output
			exit, err := conn.Run(t.Context(), &test.op, out.line)
			if err != nil || exit.Code != test.code || exit.Signal != "" {
				t.Errorf("%+v, %v; want code %d", exit, err, test.code)
			}
			if strings.HasPrefix(name, "not ") {
				return // the shell says so in its own words
			}
			slices.SortStableFunc(out.lines, func(a, b string) int { // the streams are read side by side
				return strings.Compare(a[:min(7, len(a))], b[:min(7, len(b))]) * boolInt(strings.HasPrefix(a, "stderr:") != strings.HasPrefix(b, "stderr:"))
			})
			if diff := cmp.Diff(test.want, out.lines); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

func TestRunRefuses(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{User: "ingot-test"})))
	for name, test := range map[string]struct {
		op   op.Exec
		want string
	}{
		"no command":     {op.Exec{}, "no command"},
		"name":           {op.Exec{Argv: []string{"true"}, Env: map[string]secret.String{"A B": {}}}, `"A B"`},
		"folder":         {op.Exec{Argv: []string{"true"}, Dir: "/no where"}, "there is no folder /no where"},
		"input's folder": {op.Exec{Argv: []string{"true"}, Inputs: []op.File{{Path: "/etc/new/x"}}}, "make the folder /etc/new"},
		"input":          {op.Exec{Argv: []string{"true"}, Inputs: []op.File{{Path: "/etc/x"}}}, "write /etc/x"},
		"owner":          {op.Exec{Argv: []string{"true"}, Inputs: []op.File{{Path: "/tmp/ingot-owner", Owner: "root"}}}, "write /tmp/ingot-owner"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := conn.Run(t.Context(), &test.op, nil)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want it to say %q", err, test.want)
			}
		})
	}
	if _, err := os.Stat("/tmp/ingot-owner"); err == nil {
		t.Error("an input is left behind")
	}
}

// TestRunUser runs commands as another user than root.
func TestRunUser(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	conn := connect(t, config(s))
	if s.User != "root" {
		t.Skip("cannot run here: this needs root")
	}
	e := script(`id -un; echo "$A $HOME"`)
	e.User, e.Env = "nobody", map[string]secret.String{"A": secret.Plain("kept")}
	var out output
	exit, err := conn.Run(t.Context(), e, out.line)
	if err != nil || exit.Code != 0 || len(out.lines) != 2 || out.lines[0] != "nobody" || !strings.HasPrefix(out.lines[1], "kept ") {
		t.Errorf("%v, %v, %q", exit, err, out.lines)
	}
	e.User = "root"
	out.lines = nil
	if _, err := conn.Run(t.Context(), e, out.line); err != nil || out.lines[0] != "root" {
		t.Errorf("%v, %q", err, out.lines)
	}
	e.User = "no-such-user"
	if exit, err := conn.Run(t.Context(), e, nil); err == nil && exit.Code == 0 {
		t.Error("ran as a user that is not there")
	}
}

// TestShells runs over login shells and shells of other kinds.
func TestShells(t *testing.T) {
	t.Parallel()
	for _, shell := range []string{"/bin/bash", "/bin/dash", "/usr/bin/fish", "/bin/mksh", "/bin/zsh"} {
		t.Run(shell, func(t *testing.T) {
			if _, err := os.Stat(shell); err != nil {
				return // one of those that are there will do
			}
			s := sshtest.Run(t, sshtest.Options{Shell: shell})
			conn := connect(t, config(s))
			sh(t, conn, "true")
			path := filepath.Join(s.Dir, "it's")
			if err := conn.Put(t.Context(), op.File{Path: path, Blob: op.Text(secret.Plain("x"))}); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLeftBehind runs a command that leaves a process behind which holds its
// output open.
func TestLeftBehind(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{})))
	got := sh(t, conn, "sleep 1000 & echo $!")
	if len(got) != 1 {
		t.Fatalf("printed %q", got)
	}
	sh(t, conn, "kill "+got[0])
}

func TestPty(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.Pty = true
	conn := connect(t, c)
	got := sh(t, conn, `[ -t 1 ] && echo terminal; cat; echo "second line" >&2`)
	if diff := cmp.Diff([]string{"terminal", "second line"}, got); diff != "" {
		t.Error(diff)
	}
	if left, _ := filepath.Glob("/tmp/.ingot-*"); len(left) > 0 {
		t.Errorf("left behind: %q", left)
	}
	exit, err := conn.Run(t.Context(), script("exit 9"), nil)
	if err != nil || exit.Code != 9 {
		t.Errorf("%v, %v", exit, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	_, err = conn.Run(ctx, script("echo ready; sleep 1000"), func(string, bool) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// gone waits until no process on this host has tag in its command line.
func gone(t *testing.T, tag string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		out, err := exec.Command("pgrep", "-f", "-a", tag).CombinedOutput()
		if err != nil { // none
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("still running: %s", out)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// TestKilled checks that a command dies when it is cancelled, and also when
// this side is gone without a word.
func TestKilled(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("pgrep"); err != nil {
		t.Skip("cannot run here: pgrep is not installed")
	}
	s := sshtest.Run(t, sshtest.Options{})
	for name, end := range map[string]func(*ssh.Conn, context.CancelFunc){
		"cancelled": func(_ *ssh.Conn, cancel context.CancelFunc) { cancel() },
		"lost":      func(c *ssh.Conn, _ context.CancelFunc) { c.Close() },
	} {
		for kind, disconnect := range map[string]bool{"": false, " may disconnect": true} {
			t.Run(name+kind, func(t *testing.T) {
				conn := connect(t, config(s))
				tag := strings.Map(func(r rune) rune {
					if r < 'a' || r > 'z' {
						return -1
					}
					return r
				}, "ingotkill"+t.Name())
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				e := script("sh -c 'trap \"\" TERM; while :; do sleep 1; done; : " + tag + "' & sh -c 'while :; do sleep 1; done; : " + tag + "' & echo ready; wait")
				e.Inputs = []op.File{{Path: filepath.Join(s.Dir, tag), Blob: op.Text(secret.Plain("x"))}}
				e.Disconnect = disconnect
				_, err := conn.Run(ctx, e, func(string, bool) { end(conn, cancel) })
				if name == "lost" && !errors.Is(err, transport.ErrLost) || name == "cancelled" && !errors.Is(err, context.Canceled) {
					t.Errorf("error %v", err)
				}
				if name == "lost" && disconnect {
					out, err := exec.Command("pkill", "-KILL", "-f", tag).CombinedOutput()
					if err != nil {
						t.Errorf("a command that may disconnect died with the connection: %s", out)
					}
				}
				gone(t, tag)
				if _, err := os.Stat(e.Inputs[0].Path); err == nil && !disconnect {
					t.Error("the input is left behind")
				}
			})
		}
	}
}

// TestMany runs many commands at once over one connection.
func TestMany(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{Config: []string{"MaxSessions 20"}})))
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			for range 3 {
				exit, err := conn.Run(t.Context(), script("echo x; echo y >&2; exit 5"), nil)
				if err != nil || exit.Code != 5 {
					t.Errorf("%v, %v", exit, err)
				}
			}
		})
	}
	all.Wait()
}

func TestSessionsRefused(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{Config: []string{"MaxSessions 0"}})))
	_, err := conn.Run(t.Context(), script("true"), nil)
	if err == nil || !strings.Contains(err.Error(), "open a session") {
		t.Errorf("error %v", err)
	}
}

func TestForcedCommand(t *testing.T) {
	t.Parallel()
	conn := connect(t, config(sshtest.Run(t, sshtest.Options{Config: []string{"ForceCommand echo no"}})))
	_, err := conn.Run(t.Context(), script("true"), nil)
	if err == nil || !strings.Contains(err.Error(), "ran no shell") {
		t.Errorf("error %v", err)
	}
}

// TestDeadPeer checks that a machine that says nothing any more is noticed.
func TestDeadPeer(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	c := config(s)
	c.ReadWriteTimeout = 500 * time.Millisecond
	c.KeepAliveInterval = 100 * time.Millisecond
	cl := client(t, c)
	to := cl.Target()
	dial, stalled := to.Dial, make(chan struct{})
	to.Dial = func(ctx context.Context) (net.Conn, error) {
		conn, err := dial(ctx)
		return &holeConn{Conn: conn, stalled: stalled, closed: make(chan struct{})}, err
	}
	conn, err := cl.Connect(t.Context(), to)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// As long as it answers, a silent command may take longer than the limit.
	sh(t, conn, "sleep 1.2")
	_, err = conn.Run(t.Context(), script("echo ready; sleep 1000"), func(string, bool) { close(stalled) })
	if !errors.Is(err, transport.ErrLost) {
		t.Errorf("error %v", err)
	}
}

// holeConn is a connection over which at some point nothing comes any more.
type holeConn struct {
	net.Conn
	stalled, closed chan struct{}
	once            sync.Once
}

func (c *holeConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	select {
	case <-c.stalled:
		<-c.closed
		return 0, net.ErrClosed
	default:
		return n, err
	}
}

func (c *holeConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return c.Conn.Close()
}
