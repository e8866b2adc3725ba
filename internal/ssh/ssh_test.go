package ssh_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/sshtest"
)

// config logs in to the server with its key.
func config(s *sshtest.Server) ssh.Config {
	c := ssh.Defaults()
	c.Host, c.Port, c.Username, c.PrivateKeyFile = s.Host, s.Port, s.User, s.KeyFile
	return c
}

func client(t testing.TB, c ssh.Config) *ssh.Client {
	t.Helper()
	cl, err := c.Client("")
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// connect connects, and closes when the test ends.
func connect(t testing.TB, c ssh.Config) *ssh.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cl := client(t, c)
	conn, err := cl.Connect(ctx, cl.Target())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// output collects what a command prints.
type output struct {
	mu    sync.Mutex
	lines []string
}

func (o *output) line(line string, stderr bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if stderr {
		line = "stderr: " + line
	}
	o.lines = append(o.lines, line)
}

// sh runs a script on the machine and returns what it prints.
func sh(t testing.TB, c *ssh.Conn, script string) []string {
	t.Helper()
	var out output
	exit, err := c.Run(t.Context(), &op.Exec{Argv: []string{"/bin/sh", "-c", script}}, out.line)
	if err != nil || exit.Code != 0 {
		t.Fatalf("%s: %v, %v, %q", script, exit, err, out.lines)
	}
	return out.lines
}
