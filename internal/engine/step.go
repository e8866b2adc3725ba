package engine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/secret"
)

// step runs one step with its pause, retries and timeout.
func (b *build) step(ctx context.Context, i int, s *plan.Step) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	b.enter("provision", s.Name, i+1)
	if err := b.pauseBefore(ctx, fmt.Sprintf("step %d %s (%s)", i+1, s.Name, s.Where())); err != nil {
		return err
	}
	start := time.Now()
	if err := pause.For(ctx, s.PauseBefore); err != nil {
		return err
	}
	for try := 0; ; try++ {
		err := b.attach(ctx, s)
		if err == nil {
			break
		}
		if ctx.Err() != nil {
			return err
		}
		err = located(err, i, s)
		if try < s.MaxRetries {
			b.log.Warn(fmt.Sprintf("%v: retry %d of %d", err, try+1, s.MaxRetries))
			continue
		}
		if s.Attach != nil && (s.Lenient || s.ContinueOnError) {
			b.log.Warn(fmt.Sprintf("%v: going on without it", err)) // the machine is as it was
			b.passed(i)
			break
		}
		if s.ContinueOnError {
			b.log.Warn(fmt.Sprintf("%v: going on (continue_on_error)", err))
			b.passed(i)
			break
		}
		if !b.retry(ctx, err) {
			return err
		}
		try = -1
	}
	b.noteChanged(i, s)
	cached := false
	if c, ok := b.session.(builders.CacheReporter); ok {
		cached = c.LastStep().Cached
	}
	b.log.Emit(event.StepDone{Step: i + 1, Name: s.Name, Cached: cached, Took: time.Since(start)})
	return nil
}

// passed notes that a step failed and was let pass: the next run tries it again.
func (b *build) passed(i int) { b.tainted, b.failed = true, append(b.failed, i) }

// noteChanged notes that files of this host changed since the step was planned:
// what it did is not what its key says.
func (b *build) noteChanged(i int, s *plan.Step) {
	hint := ""
	if s.Type == "file" {
		hint = "; generated = true is for what an earlier step makes"
	}
	if b.warnChanged(fmt.Sprintf("step %d %s (%s)", i+1, s.Name, s.Where()), op.Changed(s.Ops), hint) {
		b.changed = append(b.changed, i)
	}
}

// warnChanged warns of files that changed since the build was planned, where
// there are such.
func (b *build) warnChanged(where string, files []string, hint string) bool {
	if len(files) == 0 {
		return false
	}
	for n, path := range files {
		if rel, err := filepath.Rel(b.Dir, path); err == nil && filepath.IsLocal(rel) {
			files[n] = rel
		}
	}
	b.tainted = true
	b.log.Warn(fmt.Sprintf("%s: %s changed since the build was planned: no later run takes what is made for unchanged%s", where, strings.Join(files, ", "), hint))
	return true
}

// attach applies a step, and notes what it attaches to the artifact, or what it
// looked at.
func (b *build) attach(ctx context.Context, s *plan.Step) error {
	s, err := s.With(b.values)
	if err != nil {
		return err
	}
	if s.Attach == nil && s.Cases == nil {
		return b.apply(ctx, s)
	}
	dir, err := os.MkdirTemp("", "ingot-attach-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	b.values[op.Attachments] = secret.Plain(dir)
	if err := b.apply(ctx, s); err != nil {
		return err
	}
	if s.Cases != nil {
		return b.examine(dir, s)
	}
	list, err := s.Attach(dir)
	if err != nil {
		return err
	}
	for _, a := range list {
		same := func(other artifact.Attachment) bool { return other.Name == a.Name && other.Type == a.Type }
		if slices.ContainsFunc(b.attachments, same) {
			return builders.WithHint(fmt.Errorf("the artifact has the attachment %q (%s) already", a.Name, a.Type), "give each such step a name of its own: sbom_name")
		}
		b.log.Say(fmt.Sprintf("Attaching %s (%s, %d bytes)", a.Name, a.Type, a.Size))
	}
	b.attachments = append(b.attachments, list...)
	return nil
}

func (b *build) apply(ctx context.Context, s *plan.Step) error {
	ops, err := b.answerPrompts(ctx, s)
	if err != nil {
		return err
	}
	if ops, err = op.Settle(op.Bind(ops, b.values)); err != nil {
		return err
	}
	if s.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, s.Timeout, fmt.Errorf("not done after %s (timeout)", s.Timeout))
		defer cancel()
	}
	err = b.session.Apply(ctx, builders.Step{
		Name: s.Name, Key: s.Key, Ops: ops, Where: s.Where(), Fresh: s.AlwaysRun,
	})
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return context.Cause(ctx)
	}
	if err == nil {
		b.bind() // a reboot may have changed them
	}
	return err
}

// answerPrompts asks what the step's pauses ask, and returns the other ops.
func (b *build) answerPrompts(ctx context.Context, s *plan.Step) ([]op.Op, error) {
	var out []op.Op
	for _, o := range s.Ops {
		p, ok := o.(*op.Pause)
		if !ok || p.Prompt == "" {
			out = append(out, o)
			continue
		}
		if _, err := b.ask(ctx, p.Prompt+" Press enter to continue.", []string{""}); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// located adds the step and its place in the template to an error.
func located(err error, i int, s *plan.Step) error {
	return fmt.Errorf("step %d %s (%s): %w", i+1, s.Name, s.Where(), err)
}

// cancelledError says that a build was stopped, not that it failed.
type cancelledError struct{ error }

func (cancelledError) Error() string   { return "cancelled" }
func (e cancelledError) Unwrap() error { return e.error }

func cancelledOr(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(ctx.Err(), context.Canceled) {
		return cancelledError{ctx.Err()}
	}
	return err
}
