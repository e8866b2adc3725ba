package ssh

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/ingot-build/ingot/internal/lines"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/transport"
)

// Run runs a command in one session and gives out each line it prints, one at
// a time. Its inputs are there while it runs. When ctx ends, the command and
// all processes of its group are killed. The error is transport.ErrLost when the
// connection ended before the command did. An exit code that is no success is
// no error here.
func (c *Conn) Run(ctx context.Context, e *op.Exec, out func(line string, stderr bool)) (Exit, error) {
	exit, _, err := c.run(ctx, e, out)
	return exit, err
}

// began is what the script said before its command.
type began struct {
	started bool
	leads   bool // the server makes the leader of a process group
}

func (c *Conn) run(ctx context.Context, e *op.Exec, out func(line string, stderr bool)) (Exit, began, error) {
	sc := script{mark: mark(), exec: e}
	for _, f := range e.Inputs {
		inline, err := inlines(f)
		if err != nil {
			return Exit{}, began{}, c.client.fail(c.target, err)
		}
		if inline {
			sc.inline = append(sc.inline, f)
			continue
		}
		if err := c.Put(ctx, f); err != nil {
			return Exit{}, began{}, err
		}
	}
	text, err := sc.text()
	if err != nil {
		return Exit{}, began{}, err
	}
	lim := c.client.starting(e)
	if c.client.config.Pty {
		return c.runPty(ctx, sc, lim, out)
	}
	s, err := c.open(ctx, lim)
	if err != nil {
		return Exit{}, began{}, err
	}
	command := shell
	if c.leads.Load() {
		command = "exec " + leader
	}
	if err := s.start(command); err != nil {
		s.ch.Close()
		return Exit{}, began{}, c.client.fail(c.target, fmt.Errorf("start a command: %w: %w", transport.ErrLost, err))
	}
	exit, was, err := c.follow(ctx, s, sc.mark, text, out)
	if was.leads {
		c.leads.Store(true)
	}
	return exit, was, err
}

// follow sends input to a started session and reads what it says until its end.
func (c *Conn) follow(ctx context.Context, s *session, mark, input string, out func(line string, stderr bool)) (Exit, began, error) {
	w := &watcher{mark: mark, out: out}
	stdout := lines.New(&w.mu, func(line string) { w.line(line, false) })
	stderr := lines.New(&w.mu, func(line string) { w.line(line, true) })
	output := s.copies(stdout, stderr)
	stopped := make(chan struct{})
	go func() { // an error shows as the session's end
		_, _ = io.WriteString(s.ch, input)
		select {
		case <-s.done:
		case <-stopped:
			_, _ = io.WriteString(s.ch, "kill\n")
			_ = s.ch.CloseWrite()
		}
	}()
	exit, err := s.finish(ctx, output, func() { close(stopped) })
	if err == nil || !errors.Is(err, ctx.Err()) {
		stdout.Flush()
		stderr.Flush()
	}
	was, failure := w.end()
	switch {
	case ctx.Err() != nil:
		return Exit{}, was, ctx.Err()
	case failure != "":
		return Exit{}, was, c.remote(failure, "")
	case err == nil && !was.started:
		return Exit{}, was, c.client.fail(c.target, fmt.Errorf("the machine ran no shell: exit code %d", exit.Code))
	case err != nil:
		return Exit{}, was, c.client.fail(c.target, err)
	}
	return exit, was, nil
}

// mark returns text that no command can know.
func mark() string { return "ingot-" + rand.Text() + ":" }

// watcher takes the lines of a command and keeps those of the script around it.
type watcher struct {
	mark string
	out  func(line string, stderr bool)

	mu      sync.Mutex
	over    bool
	began   began
	failure string
}

// line is called with mu held.
func (w *watcher) line(line string, stderr bool) {
	if w.over {
		return // the command was given up
	}
	said, ours := strings.CutPrefix(line, w.mark)
	if !ours {
		if w.out != nil {
			w.out(line, stderr)
		}
		return
	}
	if how, ok := strings.CutPrefix(said, "on:"); ok {
		w.began = began{started: true, leads: how == leads}
	} else if failure, ok := strings.CutPrefix(said, "fail:"); ok {
		w.failure = failure
	}
}

func (w *watcher) end() (was began, failure string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	return w.began, w.failure
}
