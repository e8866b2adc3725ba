package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/plan"
)

// dropTimeout bounds the removal of a mark, also after cancellation.
const dropTimeout = 5 * time.Minute

// marks are the checkpoints of a build under way.
type marks struct {
	making sync.WaitGroup // those whose images are being made, and those that are being dropped
	last   *marked        // the state before the step that runs, with -on-error=checkpoint

	recording sync.Mutex

	mu   sync.Mutex
	kept []artifact.Checkpoint // that are recorded, in the order in which they were
}

// marked is the state of the machine after a step.
type marked struct {
	mark       builders.Mark
	checkpoint artifact.Checkpoint
}

// beginning is what the session begins with: the source image, or a checkpoint
// in its place.
func (b *build) beginning() (builders.Base, error) {
	for _, r := range b.Fallback {
		b.log.Say("Not from a later checkpoint: " + r.Text)
	}
	if err := b.CheckpointError(); err != nil && b.OnError == Checkpoint {
		b.log.Warn(fmt.Sprintf("-on-error=checkpoint has no effect: %v", err))
	}
	if b.From == nil {
		return b.Base, nil
	}
	booter, ok := b.Builder.(builders.Booter)
	if !ok {
		return b.Base, errors.New("the builder " + b.Type + " can't begin from a checkpoint")
	}
	b.log.Say(fmt.Sprintf("Beginning from %s: %d of %d steps are in it", b.Beginning(), b.From.Step, len(b.Steps)))
	b.attachments = append(b.attachments, b.From.Attachments...)
	return booter.BaseOf(b.From.Artifact, b.Base)
}

// inCheckpoint reports whether a step is done, in the checkpoint that the build
// begins from.
func (b *build) inCheckpoint(i int, s *plan.Step) bool {
	return b.From != nil && i < b.From.Step && !s.HostOnly()
}

// markBefore notes the state of the machine before a step, for
// -on-error=checkpoint. The one before stays where that can't be done.
func (b *build) markBefore(ctx context.Context, i int) {
	noted := b.marks.last != nil && b.marks.last.checkpoint.Step == i // the step runs once more
	if b.OnError != Checkpoint || b.CheckpointError() != nil || noted || i == 0 || b.tainted || b.From != nil && i <= b.From.Step || b.Steps[i-1].Checkpoint {
		return
	}
	m, err := b.mark(ctx, i)
	if err != nil {
		b.noCheckpoint(ctx, "before", i+1, err)
		return
	}
	b.dropLast(ctx)
	b.marks.last = m
}

// markAfter makes the checkpoint that a step is to have, behind the next steps.
func (b *build) markAfter(ctx context.Context, i int, s *plan.Step) {
	if !s.Checkpoint || b.tainted || b.From != nil && i < b.From.Step {
		return
	}
	m, err := b.mark(ctx, i+1)
	switch {
	case err != nil:
		b.noCheckpoint(ctx, "after", i+1, err)
	case m != nil:
		b.dropLast(ctx)
		b.log.Say(fmt.Sprintf("Making a checkpoint after step %d %s...", i+1, s.Name))
		b.marks.making.Go(func() { b.finish(ctx, m) })
	}
}

// mark notes the state of the machine after so many steps; nil where steps are
// kept anyway.
func (b *build) mark(ctx context.Context, step int) (*marked, error) {
	if _, layered := b.Builder.(builders.Layered); layered {
		return nil, nil
	}
	if err := b.CheckpointError(); err != nil {
		return nil, err
	}
	session, ok := b.session.(builders.Checkpointer)
	if !ok {
		return nil, errors.New("the builder " + b.Type + " can't make one")
	}
	c, err := b.Build.Checkpoint(step, b.RunID, time.Now())
	if err != nil {
		return nil, err
	}
	c.Attachments, c.Sandbox = slices.Clone(b.attachments), b.Sandbox
	m, err := session.Mark(ctx, builders.Checkpoint{Key: c.Key, Step: c.Step, Name: c.Name, Expires: c.Expires})
	if err != nil {
		return nil, err
	}
	return &marked{m, c}, nil
}

// finish waits for the image of a mark and records it.
func (b *build) finish(ctx context.Context, m *marked) {
	a, err := m.mark.Image(ctx)
	if err == nil {
		c := m.checkpoint
		c.Artifact = a
		err = b.putCheckpoint(ctx, c)
	}
	if err == nil {
		return
	}
	b.noCheckpoint(ctx, "after", m.checkpoint.Step, err)
	b.drop(ctx, m)
}

// noCheckpoint warns of a checkpoint that can't be made: nothing depends on it.
// Of a run that was stopped nobody expects one.
func (b *build) noCheckpoint(ctx context.Context, where string, step int, err error) {
	if ctx.Err() == nil {
		b.log.Warn(fmt.Sprintf("no checkpoint %s step %d: %v", where, step, err))
	}
}

// putCheckpoint records a checkpoint. From then on it stays until it expires.
func (b *build) putCheckpoint(ctx context.Context, c artifact.Checkpoint) error {
	ctx = context.WithoutCancel(ctx) // the image is there
	b.marks.recording.Lock()
	defer b.marks.recording.Unlock()
	for _, p := range c.Artifact.Places {
		if r, ok := b.journal.Find(p.ID); ok {
			line, err := json.Marshal(r)
			if err != nil {
				return err
			}
			c.Resource = line
		}
	}
	before, err := b.Registry.Checkpoints(ctx, c.Bucket)
	if err != nil {
		return err
	}
	if err := b.Registry.PutCheckpoint(ctx, c); err != nil {
		return err
	}
	for _, p := range c.Artifact.Places {
		if err := b.journal.Keep(p.ID); err != nil {
			b.log.Warn(err.Error())
		}
	}
	b.marks.mu.Lock()
	b.marks.kept = append(b.marks.kept, c)
	b.marks.mu.Unlock()
	b.log.Say(fmt.Sprintf("The checkpoint after step %d %s is there: %s, until %s", c.Step, c.Name, c.Artifact.ID, c.Expires.Local().Format(time.DateTime)))
	b.prune(ctx, c, before)
	return nil
}

// prune removes the build's checkpoints that a new one replaces, that have
// expired, and the oldest of those that are too many. before are all that the
// bucket had, newest first.
func (b *build) prune(ctx context.Context, made artifact.Checkpoint, before []artifact.Checkpoint) {
	remover, ok := b.Builder.(builders.Remover)
	if !ok {
		return
	}
	kept := 1
	for _, c := range before {
		if c.Build != b.Address || c.Artifact.ID == made.Artifact.ID {
			continue
		}
		replaced := c.Key == made.Key
		if !replaced && time.Now().Before(c.Expires) {
			if kept++; kept <= b.MostCheckpoints {
				continue
			}
		}
		b.log.Say(fmt.Sprintf("Removing the checkpoint after step %d %s of %s (%s)", c.Step, c.Name, c.Created.Local().Format(time.DateTime), c.Artifact.ID))
		err := remover.Remove(ctx, c.Artifact, true)
		if err == nil && !replaced {
			err = b.Registry.DropCheckpoint(ctx, c)
		}
		if err != nil {
			b.log.Warn(fmt.Sprintf("remove the checkpoint %s: %v", c.Artifact.ID, err))
		}
	}
}

// dropLast removes the state that nobody goes back to any more, behind the next
// steps.
func (b *build) dropLast(ctx context.Context) {
	if m := b.marks.last; m != nil {
		b.marks.last = nil
		b.marks.making.Go(func() { b.drop(ctx, m) })
	}
}

func (b *build) drop(ctx context.Context, m *marked) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dropTimeout)
	defer cancel()
	if err := m.mark.Drop(ctx); err != nil {
		b.log.Warn(fmt.Sprintf("remove the checkpoint after step %d: %v", m.checkpoint.Step, err))
	}
}

// keepMark makes an image of the state before the step that failed, and adds
// to its error where the next run goes on.
func (b *build) keepMark(ctx context.Context, failure error) error {
	if m := b.marks.last; m != nil && ctx.Err() == nil {
		b.marks.last = nil
		b.log.Say(fmt.Sprintf("Making a checkpoint of the machine as step %d %s left it...", m.checkpoint.Step, m.checkpoint.Name))
		b.finish(ctx, m)
	}
	if ctx.Err() != nil {
		return failure
	}
	b.marks.making.Wait() // the machine stays until then anyway
	step := b.goesOn()
	if step == 0 {
		return failure
	}
	hint := fmt.Sprintf("run again: it goes on with step %d %s", step, b.Steps[step-1].Name)
	if first := builders.Hint(failure); first != "" {
		hint = first + ". Or " + hint
	}
	return builders.WithHint(failure, hint)
}

// goesOn is the step that a run after this one begins with, 0 where that is not
// known to be a later one than the first.
func (b *build) goesOn() int {
	b.marks.mu.Lock()
	defer b.marks.mu.Unlock()
	last := 0
	if b.From != nil {
		last = b.From.Step
	}
	for _, c := range b.marks.kept {
		last = max(last, b.GoesOn(c.Step))
	}
	if last == 0 || last >= len(b.Steps) {
		return 0
	}
	return last + 1
}

// endMarks waits for the checkpoints that are being made, and removes what is
// not needed.
func (b *build) endMarks(ctx context.Context) {
	b.dropLast(ctx)
	b.marks.making.Wait()
}
