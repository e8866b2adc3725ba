package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/op"
)

// cleanupTimeout bounds the error-cleanup-provisioner.
const cleanupTimeout = 2 * time.Minute

// onError does what -on-error says after a step failed for good, and returns
// the step's error.
func (b *build) onError(ctx context.Context, err error) error {
	err = b.keepMark(ctx, err)
	switch b.OnError {
	case Hold:
		held, err := b.hold(ctx, err)
		if !held {
			b.cleanup(ctx)
		}
		return err
	case Abort:
		b.kept = true
	case RunCleanup:
		b.kept = true
		b.cleanup(ctx)
	default:
		if !b.kept {
			b.cleanup(ctx)
		}
	}
	if b.kept {
		b.log.Say("Left as it is (-on-error=" + string(b.OnError) + ").")
	}
	return err
}

// cleanup runs the error-cleanup-provisioner, also after cancellation.
func (b *build) cleanup(ctx context.Context) {
	if b.Cleanup == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
	defer cancel()
	b.log.Emit(event.Say{Text: "Running the error-cleanup-provisioner " + b.Cleanup.Name})
	s, err := b.Cleanup.With(b.values)
	if err == nil {
		err = b.session.Apply(ctx, builders.Step{Name: s.Name, Ops: op.Bind(s.Ops, b.values), Where: s.Where(), Fresh: true})
	}
	if err != nil {
		b.log.Warn(fmt.Sprintf("error-cleanup-provisioner %s: %v", b.Cleanup.Name, err))
	}
}

// retry asks, with -on-error=ask, what to do about a failed step. It reports
// whether the step is to be tried again.
func (b *build) retry(ctx context.Context, failure error) bool {
	if b.OnError != Ask {
		return false
	}
	b.log.Emit(event.Failed{Err: failure})
	answer, err := b.ask(ctx, "[c] Clean up and exit, [a] abort without cleanup, or [r] retry the step?", []string{"c", "a", "r"})
	if err != nil {
		b.log.Warn(err.Error())
		return false
	}
	b.kept = answer == "a"
	return answer == "r"
}

// ask puts a question to the user, one build at a time.
func (b *build) ask(ctx context.Context, question string, answers []string) (string, error) {
	b.askMu.Lock()
	defer b.askMu.Unlock()
	if b.Ask == nil {
		return "", builders.WithHint(fmt.Errorf("a question needs a terminal: %s", question), "run ingot in a terminal, or set `disable = true` on breakpoints and another -on-error")
	}
	return b.Ask(ctx, b.Address, question, answers)
}
