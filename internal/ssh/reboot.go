package ssh

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/transport"
)

// bootID is the file of a Linux machine that has another content after each boot.
const bootID = "/proc/sys/kernel/random/boot_id"

// stateScript prints the boot id, and "down" where the machine is going down.
const stateScript = `b=; [ ! -r ` + bootID + ` ] || read -r b <` + bootID + `; s=up
if [ -e /run/nologin ]; then s=down; fi
case $(systemctl is-system-running 2>/dev/null) in stopping) s=down;; esac
case $(runlevel 2>/dev/null) in *" 0"|*" 6") s=down;; esac
echo "$s:$b"`

// goingDownPause is how long a machine that is going down is left alone
// between two looks at it.
const goingDownPause = 500 * time.Millisecond

// RunDisconnect is Run for a command that may make the machine drop the
// connection or restart. It returns when the machine is there again. A lost
// connection is no error; it counts as exit code 0.
func (c *Conn) RunDisconnect(ctx context.Context, e *op.Exec, out func(line string, stderr bool)) (Exit, error) {
	before, err := c.settle(ctx, c.client.starting(e), "")
	if err != nil {
		return Exit{}, err
	}
	exit, was, runErr := c.run(ctx, e, out)
	if runErr != nil && !errors.Is(runErr, transport.ErrLost) {
		return Exit{}, runErr
	}
	now, err := c.settle(ctx, c.client.limits(Target{}), before)
	if err != nil {
		return Exit{}, fmt.Errorf("wait for the machine to be back: %w", err)
	}
	// A machine can go down before the command's first word gets here; then
	// only another boot tells that it has run.
	if runErr != nil && !was.started && now == before {
		return Exit{}, runErr
	}
	return exit, nil
}

// settle waits until the machine is up: either with another boot id, or with
// the same one and not on its way down. It returns the boot id, "" where the
// machine has none.
func (c *Conn) settle(ctx context.Context, lim limits, boot string) (string, error) {
	total, start := lim.timeout, time.Now()
	for {
		said, err := c.ask(ctx, lim, stateScript, "")
		state, now, _ := strings.Cut(strings.TrimSpace(said), ":")
		lim.timeout = total - time.Since(start)
		switch {
		case ctx.Err() != nil:
			return "", ctx.Err()
		case err == nil && (state != "down" || (boot != "" && now != boot)):
			return now, nil
		case err != nil && !errors.Is(err, transport.ErrLost):
			return "", err
		case lim.timeout <= 0:
			return "", &transport.Error{
				Target: c.target.Name, Err: fmt.Errorf("it is not up again after %s", total),
				Advice: "ssh_timeout sets how long to wait",
			}
		}
		if err := pause.For(ctx, goingDownPause); err != nil {
			return "", err
		}
	}
}
