package winrm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/transport"
)

// waitLine is a command that lasts: its end says that the machine goes down.
const waitLine = "ping -n 86400 127.0.0.1 >nul"

// usualReboot is how long a restart may take.
const usualReboot = 5 * time.Minute

// Reboot runs the command and returns when the machine has started anew and
// the checks end well. The end of a command that waits there tells when the
// machine goes down.
func (c *Conn) Reboot(ctx context.Context, r *op.Reboot, out func(line string, stderr bool)) (op.Exit, error) {
	total := r.Within
	if total <= 0 {
		total = usualReboot
	}
	within, cancel := context.WithTimeout(ctx, total)
	defer cancel()
	c.mu.Lock()
	before := c.boot
	c.mu.Unlock()
	exit, started, err := c.run(within, &op.Exec{Cmd: r.Cmd, StartRetry: total}, out)
	switch {
	case err != nil && (!started || !errors.Is(err, transport.ErrLost)):
		return op.Exit{}, c.late(ctx, within, total, err)
	case err == nil && !op.Success(r.OK, exit.Code):
		return exit, nil
	}
	if err := c.restarted(within, before, total); err != nil {
		return op.Exit{}, c.late(ctx, within, total, err)
	}
	for _, line := range r.Checks {
		if err := c.passes(within, line, out); err != nil {
			return op.Exit{}, c.late(ctx, within, total, err)
		}
	}
	return op.Exit{Code: exit.Code}, nil
}

// late says that the time is over, where it is.
func (c *Conn) late(ctx, within context.Context, total time.Duration, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if within.Err() == nil {
		return err
	}
	return &transport.Error{
		Target: c.Name(), Err: fmt.Errorf("the machine has not restarted within %s", total),
		Advice: "restart_timeout sets how long to wait",
	}
}

// restarted waits for another boot than before.
func (c *Conn) restarted(ctx context.Context, before string, total time.Duration) error {
	gap := firstWait
	for {
		c.watch(ctx)
		boot, err := c.back(ctx, total)
		if err != nil {
			return err
		}
		if boot != before {
			return nil
		}
		gap = min(gap*2, longestWait)
		if err := pause.For(ctx, gap); err != nil {
			return err
		}
	}
}

// watch returns when the machine goes down.
func (c *Conn) watch(ctx context.Context) {
	s, err := c.wire.newShell(ctx, plainShell(c.wire.url))
	if err != nil {
		return
	}
	defer s.close(ctx)
	if cmd, err := s.start(ctx, program{line: waitLine}); err == nil {
		_, _ = cmd.wait(ctx, &bytes.Buffer{}, &bytes.Buffer{})
	}
}

// passes runs a check until it ends well.
func (c *Conn) passes(ctx context.Context, line string, out func(string, bool)) error {
	gap := firstWait
	for {
		exit, _, err := c.run(ctx, &op.Exec{Cmd: line}, out)
		if err == nil && exit.Code == 0 {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && !errors.Is(err, transport.ErrLost) {
			return err
		}
		gap = min(gap*2, longestWait)
		if err := pause.For(ctx, gap); err != nil {
			return err
		}
	}
}
