package plan

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// History is what a plan asks of the registry.
type History interface {
	// Lookup returns the record stored under a key, if its artifact's content is still there.
	Lookup(ctx context.Context, bucket string, k key.Key) (artifact.Record, bool, error)
	// Last returns the record of a build in the newest version that has it,
	// and that version's name.
	Last(ctx context.Context, bucket, build string) (version string, rec artifact.Record, found bool, err error)
	Images
	// Since returns the newest version in which a build has this key, "" where none does.
	Since(ctx context.Context, bucket, build string, k key.Key) (version string, err error)
	// Checkpoints lists the checkpoints of a bucket, newest first.
	Checkpoints(ctx context.Context, bucket string) ([]artifact.Checkpoint, error)
	// Forget forgets what is known of a bucket: another run has changed it.
	Forget(bucket string)
}

// Resolve pins every source, chains the keys and finds out what is recorded.
// A source that can't be resolved makes its own build Failed; the error is the
// registry's.
func (p *Plan) Resolve(ctx context.Context, h History) error {
	var g errgroup.Group
	done := map[*Build]chan struct{}{}
	all := append(p.Outside[:len(p.Outside):len(p.Outside)], p.Builds...)
	for _, b := range all {
		done[b] = make(chan struct{})
	}
	for _, b := range all {
		g.Go(func() error {
			defer close(done[b])
			for _, parent := range b.Parents {
				if parent.Build != nil {
					<-done[parent.Build]
				}
			}
			return b.Resolve(ctx, h)
		})
	}
	return g.Wait()
}

// Resolve pins the build's source, chains its keys and finds out what is
// recorded. Where the source can't be resolved the build is Failed; the error
// is the registry's.
func (b *Build) Resolve(ctx context.Context, h History) error {
	b.Reasons = nil
	for _, s := range b.Steps {
		s.Known, s.Reasons = false, nil
	}
	if b.Builder == nil { // its options could not be checked
		b.Status, b.Err = Failed, b.SourceError(errors.New("an option needs a value of block secrets to be checked, which only a run reads"))
		return nil
	}
	base, err := b.pin(ctx)
	if err != nil {
		b.Status, b.Err = Failed, b.SourceError(err)
		return nil
	}
	b.Base = base
	b.chain()
	rec, found, err := b.lookup(ctx, h)
	if err != nil {
		return err
	}
	b.Used, found = found, found && rec.Done() == b.Key
	rec.Key = b.Key
	if found {
		if found, err = b.exists(ctx, rec); err != nil {
			b.Status, b.Err = Failed, b.SourceError(err)
			return nil
		}
	}
	version, old, recorded, err := h.Last(ctx, b.Publish.Bucket, b.Address)
	if err != nil {
		return err
	}
	b.Version = version
	b.compare(old, recorded)
	b.decide(rec, found, old, recorded)
	if err := b.resume(ctx, h); err != nil {
		return err
	}
	if b.Status == Unchanged && old.Key != b.Key {
		b.Version, err = h.Since(ctx, b.Publish.Bucket, b.Address, b.Key)
	}
	return err
}

// lookup returns what is recorded of the build: its own artifact, else one that
// is the same.
func (b *Build) lookup(ctx context.Context, h History) (artifact.Record, bool, error) {
	rec, found, err := h.Lookup(ctx, b.Publish.Bucket, b.Slot)
	if err != nil || found || b.InPlace() || b.Slot == b.Key {
		return rec, found, err
	}
	return h.Lookup(ctx, b.Publish.Bucket, b.Key)
}

// InPlace reports whether the build makes no image.
func (b *Build) InPlace() bool {
	_, ok := b.Builder.(builders.InPlace)
	return ok
}

// SourceError adds the source's place in the template to an error.
func (b *Build) SourceError(err error) error {
	return fmt.Errorf("source (%s): %w", where(b.Range), err)
}

// chain gives the base and every step its key.
func (b *Build) chain() {
	h := key.New("base/1").String(b.Type).String(b.baseID()).String(b.Base.Arch)
	inputs := append([]artifact.Input{b.baseInput()}, b.options...)
	for _, o := range b.options {
		if o.Kind != "file" { // it may be anywhere
			h.String(o.Name)
		}
		h.String(o.Digest)
	}
	for _, in := range b.diskInputs() {
		h.String(in.Digest)
		inputs = append(inputs, in)
	}
	b.Key = h.Sum()
	b.BaseRecord = artifact.Base{Key: b.Key, Inputs: inputs}
	b.noteBase()
	for _, s := range b.Steps {
		b.Key = key.New("step/1").String(string(b.Key)).String(string(s.hash)).Sum()
		s.Key = b.Key
	}
	b.Slot = b.Key
	switch _, distributed := b.Builder.(builders.Distributor); {
	case b.InPlace():
		b.Slot = key.New("place/1").String(b.Address).String(b.Base.ID).Sum()
	case distributed: // in its own account, under its own name
		b.Slot = key.New("named/1").String(b.Address).String(string(b.Key)).Sum()
	}
}

// noteBase notes what is known of the source image.
func (b *Build) noteBase() {
	r := &b.BaseRecord
	r.ID, r.Name, r.Arch, r.Vars = b.Base.ID, b.Base.Name, b.Base.Arch, map[string]string{}
	for name, v := range b.Base.Vars {
		r.Vars[name] = v.Reveal()
	}
}

// Recall takes what the record of an artifact says of its source image, for a
// test of the artifact, in place of resolving it. It reports whether that is
// all that the test needs.
func (b *Build) Recall(rec artifact.Record) bool {
	if b.Builder == nil || rec.Base.Vars == nil || b.family.more {
		return false
	}
	b.Base = builders.Base{ID: rec.Base.ID, Name: rec.Base.Name, Arch: rec.Base.Arch, Vars: op.Values{}}
	for name, v := range rec.Base.Vars {
		b.Base.Vars[name] = secret.Plain(v)
	}
	return true
}

// Skippable reports whether the build is not to run where its artifact is
// recorded and there.
func (b *Build) Skippable() bool {
	return !b.Force && !b.Fresh && b.always() < 0 && b.restless() == nil
}

// decide sets the status. Exists says that rec, the artifact of this key, is
// recorded and there; old is what the last version has, where it is recorded.
func (b *Build) decide(rec artifact.Record, exists bool, old artifact.Record, recorded bool) {
	always, restless := b.always(), b.restless()
	switch {
	case exists && b.Skippable():
		b.Status, b.Record, b.Reasons = Unchanged, &rec, nil
		b.Distribute = rec.Distributed != b.Distribution() && !rec.Removed()
		b.Test = b.untested(rec)
		for _, s := range b.Steps {
			s.Known, s.Reasons = true, nil
		}
		return
	case !recorded && !exists:
		b.Status = New
	default:
		b.Status = Changed
	}
	if b.Force {
		b.runAll(Reason{Kind: "force", Text: "-force"})
		return
	}
	if b.Fresh {
		b.runAll(Reason{Kind: "force", Text: "nothing is skipped"})
		return
	}
	b.addParents()
	if restless != nil {
		b.runAll(*restless)
		return
	}
	if always >= 0 {
		text := "always_run is set"
		if b.Steps[always].late {
			text = "it reads what is made while the build runs (generated)"
		}
		b.runFrom(always, Reason{Kind: "always", Text: text})
	}
	if recorded && old.Key == b.Key && !exists {
		b.Reasons = []Reason{b.gone(old)}
	}
	if _, ok := b.Builder.(builders.Layered); !ok {
		b.runWhole()
	}
	for _, s := range b.Steps {
		if s.Known && s.onHost() {
			s.Known, s.Reasons = false, []Reason{{Kind: "host", Text: "not changed, runs on this host whenever the build runs"}}
		}
	}
}

// gone says why an artifact that is recorded does not count.
func (b *Build) gone(old artifact.Record) Reason {
	text := "the artifact recorded in " + b.Version + " is gone"
	switch inPlace := b.InPlace(); {
	case inPlace && len(old.Artifact.Places) == 0:
		text = "always runs: it makes nothing that stays"
	case inPlace:
		text = "the machine was changed since " + b.Version + ", or does not answer"
	case old.Removed() && b.untested(old):
		text = "the tests changed, and what they are about was removed (keep_input_artifact)"
	case old.Removed() && old.Processed.Key != b.PostKey():
		text = "post-processing changed, and what it began with was removed (keep_input_artifact)"
	}
	return Reason{Kind: "gone", Text: text}
}

// runWhole marks the steps that would be known if the platform kept the state
// of the machine after each.
func (b *Build) runWhole() {
	if b.Status == New {
		return
	}
	for _, s := range b.Steps {
		if s.Known || len(s.Reasons) == 0 {
			s.Known, s.Reasons = false, []Reason{{Kind: "whole", Text: "not changed, runs again with the others"}}
		}
	}
}

// compare marks the steps that the last version's record has, and says of the
// others what changed.
func (b *Build) compare(old artifact.Record, recorded bool) {
	if !recorded {
		b.Reasons = []Reason{{Kind: "new", Text: "not built before"}}
		return
	}
	if old.Base.Key != b.BaseRecord.Key {
		b.Reasons = diff(old.Base.Inputs, b.BaseRecord.Inputs)
	}
	first, was := -1, Counterparts(old.Steps, b.stepRecords())
	gone := Removed(len(old.Steps), was)
	for i, s := range b.Steps {
		same := i < len(old.Steps) && old.Steps[i].Key == s.Key
		if same && !old.Steps[i].Failed {
			s.Known = true
			continue
		}
		switch {
		case same:
			s.Reasons = []Reason{{Kind: "failed", Text: "it failed in " + b.Version + " and was let pass"}}
			continue
		case was[i] < 0:
			s.Reasons = []Reason{{Kind: "new", Text: "the step is new"}}
		case old.Steps[was[i]].Key == "":
			s.Reasons = []Reason{{Kind: "file", Text: "its files changed while " + b.Version + " was built"}}
		default:
			s.Reasons = diff(old.Steps[was[i]].Inputs, s.inputs)
		}
		if first < 0 {
			first = i
		}
		if len(s.Reasons) == 0 {
			s.Reasons = b.follows(first, i, len(gone) > 0 && was[i] > gone[0])
		}
	}
	for _, i := range gone {
		b.Reasons = append(b.Reasons, Reason{Kind: "step", Name: old.Steps[i].Name, Text: fmt.Sprintf("step %d %s was removed", i+1, old.Steps[i].Name)})
	}
}

// follows says why step i runs though nothing in it changed: because of the
// base, of the first step that did, or of one before it that was removed.
func (b *Build) follows(first, i int, removed bool) []Reason {
	switch {
	case len(b.Reasons) > 0:
		return []Reason{{Kind: "base", Text: "follows the base"}}
	case first < i:
		return []Reason{{Kind: "step", Text: fmt.Sprintf("follows step %d", first+1)}}
	case removed:
		return []Reason{{Kind: "step", Text: "follows a step that was removed"}}
	}
	return []Reason{{Kind: "step", Text: "lowers to other instructions"}}
}

func (b *Build) runAll(r Reason) {
	b.Reasons = []Reason{r}
	b.runFrom(0, r)
}

func (b *Build) runFrom(first int, r Reason) {
	for i, s := range b.Steps[first:] {
		s.Known = false
		switch {
		case i == 0 || r.Kind == "force":
			s.Reasons = append(s.Reasons, r)
		case len(s.Reasons) == 0:
			s.Reasons = []Reason{{Kind: "step", Text: fmt.Sprintf("follows step %d", first+1)}}
		}
	}
}
