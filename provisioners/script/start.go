package script

import (
	"slices"
	"time"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
)

// Start is when a script of the machine is started.
type Start struct {
	// StartRetryTimeout is how long to try again where the script can't be
	// started, as while the machine restarts. Default "5m".
	StartRetryTimeout time.Duration `hcl:"start_retry_timeout,optional"`
}

// StartDefaults is Start where a template does not set it.
func StartDefaults() Start { return Start{StartRetryTimeout: 5 * time.Minute} }

// CheckStart checks the time.
func (s Start) CheckStart() error { return notNegative("start_retry_timeout", s.StartRetryTimeout) }

// Exec is what runs a script that may end with these codes; the command is not
// set. By 2300218 and 16001 Packer's templates say that the machine may end the
// connection.
func (s Start) Exec(ok []int) *op.Exec {
	return &op.Exec{
		OK: ok, StartRetry: s.StartRetryTimeout,
		Disconnect: slices.Contains(ok, 2300218) || slices.Contains(ok, 16001),
	}
}

// Rest is the time after the last script.
type Rest struct {
	// PauseAfter is how long to wait after the last script. Default "0s".
	PauseAfter time.Duration `hcl:"pause_after,optional"`
}

// CheckRest checks the time.
func (r Rest) CheckRest() error { return notNegative("pause_after", r.PauseAfter) }

// After adds the wait to what runs the scripts.
func (r Rest) After(ops []op.Op) []op.Op {
	if r.PauseAfter > 0 {
		ops = append(ops, &op.Pause{For: r.PauseAfter})
	}
	return ops
}

func notNegative(option string, d time.Duration) error {
	if d < 0 {
		return component.Errorf(option, "must not be negative")
	}
	return nil
}
