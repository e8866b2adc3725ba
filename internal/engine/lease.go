package engine

import (
	"context"
	"os"
	"slices"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/registry"
)

// lease makes this run the only one that does what the build has to do, until
// release is called. While another does the same it waits, and then there is
// perhaps nothing left to do.
func (b *build) lease(ctx context.Context) (release func(), err error) {
	for b.alone() {
		waited := false
		release, err := b.Registry.Lease(ctx, b.Publish.Bucket, b.Slot, b.holder(), func(who string) {
			waited = true
			b.enter("wait", who, 0)
			b.log.Say("Waiting for " + who + ", which builds the same")
		})
		if err != nil {
			return func() {}, err
		}
		look := waited || release == nil // one that failed may have left checkpoints
		if !look {
			look, err = b.doneMeanwhile(ctx)
		}
		if err == nil && look {
			b.History.Forget(b.Publish.Bucket)
			err = b.resolve(ctx)
		}
		switch {
		case release == nil && err == nil:
		case err == nil && b.alone():
			return release, nil
		case release != nil:
			release()
		}
		if err != nil {
			return func() {}, err
		}
	}
	return func() {}, nil
}

// alone reports whether only one run at a time is to do what the build has to
// do: where others can take what comes of it, and where it is done in a place
// that there is once.
func (b *build) alone() bool {
	switch {
	case b.Status == plan.Unchanged:
		return b.Test || b.Distribute || len(b.Record.Pending) > 0
	case b.InPlace():
		return b.Base.ID != builders.NoMachine
	}
	return b.Skippable()
}

// doneMeanwhile reports whether there is something recorded that was not there
// when the build was resolved.
func (b *build) doneMeanwhile(ctx context.Context) (bool, error) {
	rec, found, err := b.History.Lookup(ctx, b.Publish.Bucket, b.Slot)
	if err != nil || !found || rec.Done() != b.Key {
		return false, err
	}
	if b.Record == nil {
		return true, nil
	}
	return rec.Distributed != b.Record.Distributed || len(rec.Pending) != len(b.Record.Pending) || testedBy(rec) != testedBy(*b.Record), nil
}

// testedBy is the run that the last tests of an artifact were of.
func testedBy(rec artifact.Record) string {
	if rec.Tested == nil {
		return ""
	}
	return rec.Tested.RunID
}

// holder is what others are told of this run while they wait for it.
func (r *run) holder() string {
	text := "run " + r.RunID
	if host, err := os.Hostname(); err == nil {
		text += " on " + host
	}
	return text
}

// publishing makes this run the only one that publishes these records, until
// release is called. Where another has done that meanwhile it returns its
// version. One that the template names is published once anyway.
func (r *run) publishing(ctx context.Context, pub plan.Publish, want registry.Version) (there registry.Version, found bool, release func(), err error) {
	if pub.Version != "" {
		return there, false, func() {}, nil
	}
	set := key.New("publish/1").String(string(setKey(want.Records))).Sum()
	for {
		release, err = r.Registry.Lease(ctx, want.Bucket, set, r.holder(), func(string) {})
		if err != nil {
			return there, false, func() {}, err
		}
		there, found, err = r.published(ctx, want)
		switch {
		case release != nil:
			return there, found, release, err
		case found || err != nil:
			return there, found, func() {}, err
		}
	}
}

// published is the newest version, where another run has made it of the very
// same bakes: what one of them made was taken by the others, and any of them
// may be the first to publish it.
func (r *run) published(ctx context.Context, want registry.Version) (v registry.Version, found bool, err error) {
	v, found, err = r.Registry.Latest(ctx, want.Bucket)
	return v, found && sameBakes(v, want) && v.Same(want), err
}

// sameBakes reports whether all records of a version are in another one too,
// made in the same runs.
func sameBakes(v, want registry.Version) bool {
	return !slices.ContainsFunc(want.Records, func(rec artifact.Record) bool {
		return !slices.ContainsFunc(v.Records, func(there artifact.Record) bool {
			return there.Build == rec.Build && there.Key == rec.Key && there.RunID == rec.RunID
		})
	})
}
