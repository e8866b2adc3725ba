package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/registry"
)

// mostTrials is how many tests of one build run at the same time where the user
// sets no limit: each has a machine.
const mostTrials = 8

// test runs the tests of an artifact that has not passed them yet, and records
// what they come to. One that fails ends the build: what follows would give the
// image to others.
func (b *build) test(ctx context.Context, rec artifact.Record) (artifact.Record, error) {
	switch {
	case len(b.Tests) == 0:
		return rec, nil
	case b.Status == plan.Unchanged && !b.Test:
		for _, t := range rec.Tested.Tests {
			b.log.Emit(event.TestDone{Test: t, Known: true})
		}
		return rec, nil
	}
	if img := rec.Artifact.Image; img != nil {
		if err := b.Registry.Fetch(ctx, b.Publish.Bucket, *img); err != nil {
			return rec, err
		}
	}
	trials, err := b.trials(ctx, rec.Artifact, b.Base)
	if err != nil {
		return rec, cancelledOr(ctx, err)
	}
	rec.Tested = b.tested(trials)
	if err := b.record(ctx, rec); err != nil {
		return rec, fmt.Errorf("record what the tests came to: %w", err)
	}
	if err := b.tellVersion(ctx, rec); err != nil {
		return rec, err
	}
	if err := failureOf(trials); err != nil {
		return rec, builders.WithHint(err, b.dropFailed(ctx, rec, trials))
	}
	return rec, nil
}

// tellVersion stores what the tests came to beside the version that has the
// artifact already.
func (b *build) tellVersion(ctx context.Context, rec artifact.Record) error {
	if b.Status != plan.Unchanged || b.Version == "" {
		return nil
	}
	return b.Registry.PutTests(context.WithoutCancel(ctx), b.Publish.Bucket, registry.TestRun{Version: b.Version, Time: rec.Tested.Time,
		RunID: b.RunID, By: b.User, Builds: map[string]artifact.Tested{b.Address: *rec.Tested}})
}

func (b *build) tested(trials []*trial) *artifact.Tested {
	out := &artifact.Tested{Key: b.TestKey(), Time: time.Now().UTC(), RunID: b.RunID}
	for _, t := range trials {
		out.Tests = append(out.Tests, t.result)
	}
	return out
}

// trials runs all tests of an artifact. The error is of what is no test's
// fault: a cancelled run.
func (b *build) trials(ctx context.Context, a artifact.Artifact, base builders.Base) ([]*trial, error) {
	booter, ok := b.Builder.(builders.Booter)
	if !ok {
		return nil, fmt.Errorf("the builder %q makes no image that a machine could begin with", b.Type)
	}
	base, err := booter.BaseOf(a, base)
	if err != nil {
		return nil, fmt.Errorf("test %s: %w", a.ID, err)
	}
	b.enter("test", b.TestNames(), 0)
	b.log.Say("Testing " + a.ID + ": " + b.TestNames())
	trials := make([]*trial, len(b.Tests))
	var g errgroup.Group
	g.SetLimit(cmp.Or(b.Parallel, mostTrials))
	for i, x := range b.Tests {
		trials[i] = newTrial(b, x)
		g.Go(func() error { return trials[i].run(ctx, base) })
	}
	return trials, g.Wait()
}

// failureOf is the error of the tests that failed, nil where all passed.
func failureOf(trials []*trial) error {
	var texts []string
	for _, t := range trials {
		if !t.result.Passed {
			texts = append(texts, fmt.Sprintf("test %q (%s): %s", t.test.Name, t.test.Where(), t.result.Error))
		}
	}
	if len(texts) == 0 {
		return nil
	}
	return errors.New(strings.Join(texts, "\n"))
}

// dropFailed removes an image that this run has made where all tests that
// failed want it so, and returns a hint about where the image is.
func (b *build) dropFailed(ctx context.Context, rec artifact.Record, trials []*trial) string {
	kept := func(t *trial) bool { return !t.result.Passed && (t.test.KeepFailed || !t.judged) }
	stays := rec.Artifact.ID + " was made and is kept, and not published. Run again once the template or the test is right"
	if b.Status == plan.Unchanged && b.Version != "" {
		stays = "version " + b.Version + " has this image: what the tests came to is noted there too"
	}
	remover, ok := b.Builder.(builders.Remover)
	switch {
	case slices.ContainsFunc(trials, kept):
		return stays
	case b.Status == plan.Unchanged: // a version may have it
		return stays
	case !ok:
		return rec.Artifact.ID + " stays: what the builder " + b.Type + " makes can't be removed (keep_failed)"
	}
	ctx = context.WithoutCancel(ctx)
	b.log.Say("Removing " + rec.Artifact.ID + " (keep_failed = false)")
	// The record goes first: it must not lead to what is not there.
	err := b.record(ctx, artifact.Record{Build: b.Address, Key: rec.Key, Created: time.Now().UTC(), RunID: b.RunID})
	if err == nil {
		err = remover.Remove(ctx, rec.Artifact, false)
	}
	if err != nil {
		b.log.Warn(fmt.Sprintf("remove %s: %v", rec.Artifact.ID, err))
		return stays
	}
	return "the image was removed (keep_failed = false)"
}
