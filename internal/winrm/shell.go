package winrm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	wsman "github.com/masterzen/winrm"

	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/transport"
)

// goodbye is how long ending a command or a shell may take after its context
// has ended.
const goodbye = 10 * time.Second

// shell is a shell of the machine: what programs are started in.
type shell struct {
	wire *wire
	id   string
}

// newShell opens a shell, as createMessage asks for it.
func (w *wire) newShell(ctx context.Context, text string) (*shell, error) {
	answer, err := w.post(ctx, text)
	if err != nil {
		return nil, err
	}
	id, err := wsman.ParseOpenShellResponse(string(answer))
	if err == nil && id == "" {
		err = errors.New("the machine gave a shell without an id")
	}
	if err != nil {
		return nil, fmt.Errorf("open a shell: %w", err)
	}
	return &shell{wire: w, id: id}, nil
}

// close removes the shell; what still runs in it is ended by the machine.
func (s *shell) close(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	_, _ = s.wire.post(ctx, wsman.NewDeleteShellRequest(s.wire.url, s.id, params()).String()) // it ends by itself else
}

// command is a program that was started in a shell.
type command struct {
	shell *shell
	id    string
}

func (s *shell) start(ctx context.Context, p program) (*command, error) {
	text, err := commandMessage(s.wire.url, s.id, p)
	if err != nil {
		return nil, err
	}
	answer, err := s.wire.post(ctx, text)
	if err != nil {
		return nil, err
	}
	id, err := wsman.ParseExecuteCommandResponse(string(answer))
	if err != nil {
		return nil, fmt.Errorf("start a command: %w", err)
	}
	return &command{shell: s, id: id}, nil
}

// terminate ends the command on the machine.
func (c *command) terminate(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	url := c.shell.wire.url
	_, _ = c.shell.wire.post(ctx, wsman.NewSignalRequest(url, c.shell.id, c.id, params()).String()) // closing the shell ends it too
}

// send writes to the command's standard input; last closes it.
func (c *command) send(ctx context.Context, data []byte, last bool) error {
	url := c.shell.wire.url
	_, err := c.shell.wire.post(ctx, wsman.NewSendInputRequest(url, c.shell.id, c.id, data, last, params()).String())
	return err
}

// receive waits for output and hands it on. ended says that there is no more.
func (c *command) receive(ctx context.Context, stdout, stderr io.Writer) (ended bool, code int, err error) {
	url := c.shell.wire.url
	answer, err := c.shell.wire.post(ctx, wsman.NewGetOutputRequest(url, c.shell.id, c.id, "stdout stderr", params()).String())
	var fault *Fault
	if errors.As(err, &fault) && fault.timedOut() {
		return false, 0, nil
	}
	if err != nil {
		return false, 0, err
	}
	var out, errs bytes.Buffer
	ended, code, err = wsman.ParseSlurpOutputErrResponse(string(answer), &out, &errs)
	if err != nil {
		return false, 0, err
	}
	_, _ = stdout.Write(out.Bytes()) // both are lines.Writers or buffers
	_, _ = stderr.Write(errs.Bytes())
	return ended, code, nil
}

// lostAfter is for how long output is asked for again when the network fails.
const lostAfter = 15 * time.Second

// wait hands on the output until the command ends, and returns its exit code.
// When ctx ends the command is ended. A network that fails for a moment only
// costs a moment.
func (c *command) wait(ctx context.Context, stdout, stderr io.Writer) (int, error) {
	var failing time.Time
	gap := firstWait
	for {
		ended, code, err := c.receive(ctx, stdout, stderr)
		var fault *Fault
		switch {
		case ctx.Err() != nil:
			c.terminate(ctx)
			return 0, ctx.Err()
		case ended:
			return code, nil // it is forgotten with its shell
		case err == nil:
			failing, gap = time.Time{}, firstWait
			continue
		case errors.As(err, &fault), final(err), errors.Is(err, errLogin):
			return 0, fmt.Errorf("%w: %w", transport.ErrLost, err)
		}
		if failing.IsZero() {
			failing = time.Now()
		}
		if time.Since(failing) > lostAfter {
			return 0, fmt.Errorf("%w: %w", transport.ErrLost, err)
		}
		gap = min(gap*2, longestWait)
		_ = pause.For(ctx, gap)
	}
}
