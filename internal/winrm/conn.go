package winrm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/ingot-build/ingot/internal/lines"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/transport"
)

// mark begins our scripts, so that they can be told from others.
const mark = "# ingot "

// usualPatience is how long to wait for a machine that does not answer any
// more, as it may restart.
const usualPatience = 5 * time.Minute

// Conn is a login on one machine. Every command has a shell of its own, so that
// it sees the environment that the steps before it left. Its methods may be
// called from several goroutines.
type Conn struct {
	client *Client
	target Target
	pin    *pin
	wire   *wire

	mu    sync.Mutex
	boot  string // see bootScript
	small bool   // the machine takes only small requests
	over  bool
}

// Name returns what messages call the machine: "user@host:port".
func (c *Conn) Name() string { return c.client.name(c.target) }

// Certificate returns the SHA-256 in hex of the machine's certificate, "" where
// it has none.
func (c *Conn) Certificate() string { return c.pin.certificate() }

// Close ends the connections.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.over = true
	c.wire.close()
	return nil
}

func (c *Conn) open() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over {
		return c.fail(net.ErrClosed)
	}
	return nil
}

// Run runs a command line and gives out each line it prints, one at a time. Its
// inputs are there while it runs. When ctx ends, the command and all that it
// started are ended. The error is transport.ErrLost when the connection ended before the
// command did. An exit code that is no success is no error here.
func (c *Conn) Run(ctx context.Context, e *op.Exec, out func(line string, stderr bool)) (op.Exit, error) {
	exit, _, err := c.run(ctx, e, out)
	return exit, err
}

// run reports also whether the command was started.
func (c *Conn) run(ctx context.Context, e *op.Exec, out func(line string, stderr bool)) (exit op.Exit, started bool, err error) {
	if err := c.open(); err != nil {
		return op.Exit{}, false, err
	}
	if e.Cmd == "" {
		return op.Exit{}, false, c.fail(fmt.Errorf("%q is a command for a Unix machine", strings.Join(e.Argv, " ")))
	}
	if e.User != "" {
		return op.Exit{}, false, c.fail(fmt.Errorf("a command can't run as %s: WinRM runs it as the login", e.User))
	}
	patience := usualPatience
	if e.StartRetry > 0 {
		patience = e.StartRetry
	}
	s, err := c.shell(ctx, e.Env, e.Dir, patience)
	if err != nil {
		return op.Exit{}, false, err
	}
	defer s.close(ctx)
	if len(e.Inputs) > 0 {
		if err := c.putFiles(ctx, s, e.Inputs); err != nil {
			return op.Exit{}, false, err
		}
	}
	exit, started, err = c.follow(ctx, s, e.Cmd, out)
	if !e.KeepInputs && !errors.Is(err, transport.ErrLost) {
		c.remove(ctx, s, e.Inputs)
	}
	return exit, started, err
}

// follow runs a command line in a shell.
func (c *Conn) follow(ctx context.Context, s *shell, line string, out func(string, bool)) (exit op.Exit, started bool, err error) {
	cmd, err := s.start(ctx, program{line: line})
	if err != nil {
		if ctx.Err() != nil {
			return op.Exit{}, false, ctx.Err()
		}
		return op.Exit{}, false, c.fail(fmt.Errorf("start a command: %w", lost(err)))
	}
	var mu sync.Mutex
	if out == nil {
		out = func(string, bool) {}
	}
	stdout := lines.New(&mu, func(l string) { out(l, false) })
	stderr := newErrors(&mu, func(l string) { out(l, true) })
	code, err := cmd.wait(ctx, stdout, stderr)
	if ctx.Err() != nil {
		return op.Exit{}, true, ctx.Err()
	}
	stdout.Flush()
	stderr.Flush()
	if err != nil {
		return op.Exit{}, true, c.fail(err)
	}
	return op.Exit{Code: code}, true, nil
}

// lost says that the connection ended, unless the machine has said what is
// wrong, or it is of our making.
func lost(err error) error {
	var fault *Fault
	var bad *characterError
	if errors.As(err, &fault) || errors.As(err, &bad) {
		return err
	}
	return fmt.Errorf("%w: %w", transport.ErrLost, err)
}

// remove removes the inputs of a command, also of one that was cancelled.
func (c *Conn) remove(ctx context.Context, s *shell, files []op.File) {
	if len(files) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	line := "del /f /q"
	for _, f := range files {
		line += ` "` + strings.ReplaceAll(f.Path, "/", `\`) + `"`
	}
	if cmd, err := s.start(ctx, program{line: line}); err == nil {
		_, _ = cmd.wait(ctx, &bytes.Buffer{}, &bytes.Buffer{}) // what is left is in a folder for temporary files
	}
}

// script runs a PowerShell script of ours in a shell of its own, once, and
// returns what it prints.
func (c *Conn) script(ctx context.Context, text string) (string, error) {
	if err := c.open(); err != nil {
		return "", err
	}
	s, err := c.wire.newShell(ctx, plainShell(c.wire.url))
	if err != nil {
		return "", err
	}
	defer s.close(ctx)
	cmd, err := s.start(ctx, powershell(text, false))
	if err != nil {
		return "", err
	}
	var out, errs bytes.Buffer
	code, err := cmd.wait(ctx, &out, &errs)
	if err != nil {
		return "", err
	}
	if code != 0 && out.Len() == 0 {
		return "", fmt.Errorf("PowerShell ended with exit code %d: %s", code, firstLine(plain(errs.String())))
	}
	return out.String(), nil
}

// Flush has the machine write to its disks all that it has for them.
func (c *Conn) Flush(ctx context.Context) error {
	if _, err := c.script(ctx, flushScript); err != nil {
		return c.fail(err)
	}
	return nil
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	return strings.TrimSpace(line)
}

// RunDisconnect is Run for a command that may make the machine drop the
// connection. It returns when the machine answers again. A lost connection is
// no error; it counts as exit code 0.
func (c *Conn) RunDisconnect(ctx context.Context, e *op.Exec, out func(line string, stderr bool)) (op.Exit, error) {
	exit, started, err := c.run(ctx, e, out)
	if err == nil || !started || !errors.Is(err, transport.ErrLost) {
		return exit, err
	}
	if _, err := c.back(ctx, usualPatience); err != nil {
		return op.Exit{}, fmt.Errorf("wait for the machine to be back: %w", err)
	}
	return op.Exit{}, nil
}

// back waits until the machine answers and returns its boot.
func (c *Conn) back(ctx context.Context, timeout time.Duration) (string, error) {
	c.wire.close()
	boot, err := c.arrive(ctx, limits{timeout: timeout, closed: timeout, attempts: int(timeout/time.Second) + 1})
	if err == nil {
		c.mu.Lock()
		c.boot = boot
		c.mu.Unlock()
	}
	return boot, err
}
