package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
)

// CheckpointError says why the build can have no checkpoints, nil where it can.
// A builder that keeps every step as a layer has them by itself.
func (b *Build) CheckpointError() error {
	if _, layered := b.Builder.(builders.Layered); layered {
		return nil
	}
	c, ok := b.Builder.(builders.Checkpointing)
	if !ok {
		return builders.WithHint(fmt.Errorf("the builder %s makes no image of a machine", b.Type), "leave checkpoint out, or give this source a build of its own")
	}
	return c.Checkpoints()
}

// checkpoints takes the template's word on checkpoints, and refuses them where there
// can be none.
func (c *compiler) checkpoints(b *Build) hcl.Diagnostics {
	b.KeepCheckpoints, b.MostCheckpoints = c.spec.CheckpointLimits()
	if b.Builder == nil {
		return nil
	}
	err := b.CheckpointError()
	if err == nil {
		return nil
	}
	refuse := func(at hcl.Range) hcl.Diagnostics {
		d := optionDiag(err, "", func(string) hcl.Range { return at })
		d.Summary = b.Address + " can have no checkpoint"
		return hcl.Diagnostics{d}
	}
	first := slices.IndexFunc(c.spec.Provisioners, func(p *lang.Provisioner) bool { return p.Checkpoint && p.AppliesTo(c.src) })
	if first >= 0 {
		return refuse(c.spec.Provisioners[first].Range)
	}
	if c.spec.Checkpoints != nil {
		return refuse(c.spec.Checkpoints.Range)
	}
	return nil
}

// resume finds the deepest checkpoint that the build can go on from. Why it is
// not a later one, or none, is in Fallback.
func (b *Build) resume(ctx context.Context, h History) error {
	b.From, b.Fallback = nil, nil
	_, layered := b.Builder.(builders.Layered)
	if b.Status == Unchanged || b.Force || b.Fresh || layered || len(b.Steps) == 0 || b.CheckpointError() != nil {
		return nil
	}
	list, err := h.Checkpoints(ctx, b.Publish.Bucket)
	if err != nil || len(list) == 0 {
		return err
	}
	last, why := b.farthest()
	for i, s := range slices.Backward(b.Steps) {
		c := b.checkpointOf(list, s)
		if c == nil {
			continue
		}
		text := why
		if i < last {
			text = b.unusable(ctx, *c)
		}
		if text == "" {
			b.begin(*c)
			break
		}
		b.Fallback = append(b.Fallback, Reason{Kind: "checkpoint", Name: c.Artifact.ID, Text: describe(*c) + " " + text})
	}
	if old := b.newest(list); old != nil && (b.From == nil || old.Step > b.From.Step) {
		b.Fallback = append(b.Fallback, Reason{Kind: "checkpoint", Name: old.Artifact.ID, Text: b.outdated(*old)})
	}
	return ctx.Err()
}

// GoesOn returns after how many steps a run can begin that finds a checkpoint
// after so many, 0 where it begins anew.
func (b *Build) GoesOn(step int) int {
	if most, _ := b.farthest(); step > most {
		return 0
	}
	return step
}

// farthest returns how many steps may be left out at most, and why not more.
func (b *Build) farthest() (int, string) {
	if r := b.restless(); r != nil {
		return 0, "is not used: it " + r.Text
	}
	for i, s := range b.Steps {
		switch {
		case s.AlwaysRun && s.late:
			return i, fmt.Sprintf("is not used: step %d %s reads what is made while the build runs (generated)", i+1, s.Name)
		case s.AlwaysRun:
			return i, fmt.Sprintf("is not used: step %d %s has always_run", i+1, s.Name)
		case s.brings():
			return i, fmt.Sprintf("is not used: step %d %s brings something to this host, which is not in it", i+1, s.Name)
		}
	}
	return len(b.Steps), ""
}

// brings reports whether a step works on the machine and on this host as well.
// What it attaches to the artifact is kept with a checkpoint.
func (s *Step) brings() bool {
	if s.Attach != nil || s.HostOnly() {
		return false
	}
	return slices.ContainsFunc(s.Ops, func(o op.Op) bool {
		local, ok := o.(*op.Local)
		return o.Kind() == op.KindGet || o.Kind() == op.KindCapture || ok && local.Connection == nil
	})
}

// HostOnly reports whether a step runs on this host alone: it is done again
// where the build begins from a checkpoint.
func (s *Step) HostOnly() bool {
	local := false
	for _, o := range s.Ops {
		l, ok := o.(*op.Local)
		if ok && l.Connection == nil {
			local = true
		} else if o.Kind() != op.KindPause {
			return false
		}
	}
	return local
}

// checkpointOf returns the checkpoint that has just the steps up to s, the
// build's own where there is one.
func (b *Build) checkpointOf(list []artifact.Checkpoint, s *Step) *artifact.Checkpoint {
	var found *artifact.Checkpoint
	for i, c := range list {
		if c.Key == s.Key && c.Artifact.Builder == b.Type && (found == nil || c.Build == b.Address) {
			found = &list[i]
		}
	}
	return found
}

// unusable says why a checkpoint with the right key can't be gone on from, ""
// where it can.
func (b *Build) unusable(ctx context.Context, c artifact.Checkpoint) string {
	if time.Now().After(c.Expires) {
		return "has expired"
	}
	if chained, ok := b.Builder.(builders.Chained); ok {
		if _, err := chained.SourceOf(ctx, c.Artifact); err != nil {
			return "is not used: " + err.Error()
		}
	}
	there, err := b.Builder.Exists(ctx, c.Artifact)
	switch {
	case err != nil:
		return "can't be looked at: " + err.Error()
	case !there:
		return "is gone"
	}
	return ""
}

// begin takes the checkpoint in place of the steps that are in it.
func (b *Build) begin(c artifact.Checkpoint) {
	b.From = &c
	for _, s := range b.Steps[:c.Step] {
		if s.HostOnly() {
			s.Known, s.Reasons = false, []Reason{{Kind: "host", Text: "not changed, runs on this host whenever the build runs"}}
			continue
		}
		s.Known, s.Reasons = true, nil
	}
}

// newest returns the build's last checkpoint, unless it is one of just these
// steps.
func (b *Build) newest(list []artifact.Checkpoint) *artifact.Checkpoint {
	for i, c := range list { // newest first
		if c.Build != b.Address || time.Now().After(c.Expires) {
			continue
		}
		if slices.ContainsFunc(b.Steps, func(s *Step) bool { return s.Key == c.Key }) {
			return nil
		}
		return &list[i]
	}
	return nil
}

// outdated says what changed since a checkpoint was made.
func (b *Build) outdated(c artifact.Checkpoint) string {
	since := "since " + describe(c)
	if c.Base.Key != b.BaseRecord.Key {
		return "the base changed " + since + colon(diff(c.Base.Inputs, b.BaseRecord.Inputs))
	}
	for i, old := range c.Steps {
		switch {
		case i >= len(b.Steps):
			return fmt.Sprintf("step %d %s was removed %s", i+1, old.Name, since)
		case b.Steps[i].Key == old.Key:
		case b.Steps[i].Name != old.Name && !hasStep(b.Steps[i:], old.Name):
			return fmt.Sprintf("step %d %s was removed %s", i+1, old.Name, since)
		case b.Steps[i].Name != old.Name:
			return fmt.Sprintf("step %d %s was put in %s", i+1, b.Steps[i].Name, since)
		default:
			return fmt.Sprintf("step %d %s changed %s", i+1, old.Name, since) + colon(diff(old.Inputs, b.Steps[i].inputs))
		}
	}
	return "the steps changed " + since
}

func hasStep(steps []*Step, name string) bool {
	return slices.ContainsFunc(steps, func(s *Step) bool { return s.Name == name })
}

func colon(list []Reason) string {
	if len(list) == 0 {
		return ""
	}
	return ":" + reasons(list)[1:]
}

// describe is what people call a checkpoint.
func describe(c artifact.Checkpoint) string {
	return fmt.Sprintf("the checkpoint after step %d %s (%s)", c.Step, c.Name, c.Artifact.ID)
}

// Beginning says what the build begins with in place of its base.
func (b *Build) Beginning() string {
	if b.From == nil {
		return ""
	}
	return describe(*b.From)
}

// Checkpoint returns what is known of a checkpoint after one of the steps,
// which is counted from 1.
func (b *Build) Checkpoint(step int, runID string, now time.Time) (artifact.Checkpoint, error) {
	if step < 1 || step > len(b.Steps) {
		return artifact.Checkpoint{}, errors.New("there is no such step")
	}
	s := b.Steps[step-1]
	c := artifact.Checkpoint{Bucket: b.Publish.Bucket, Build: b.Address, Key: s.Key, Step: step, Name: s.Name,
		Created: now.UTC(), Expires: now.Add(b.KeepCheckpoints).UTC(), RunID: runID, Base: b.BaseRecord}
	for _, s := range b.Steps[:step] {
		c.Steps = append(c.Steps, artifact.Step{Name: s.Name, Key: s.Key, Inputs: s.inputs})
	}
	return c, nil
}
