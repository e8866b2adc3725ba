package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/registry"
)

// Test runs the tests of a plan on the artifacts of a version, whatever they
// came to before, stores what they come to beside the version, and reports all
// of it as events.
func Test(ctx context.Context, p *plan.Plan, v registry.Version, o Options) error {
	r := &run{Options: o, plan: p}
	if o.Journals != "" {
		r.journal = journal.Open(o.Journals, o.RunID)
	}
	start := time.Now()
	builds, err := tested(p, v)
	if err != nil {
		return err
	}
	var addrs []string
	for _, b := range builds {
		addrs = append(addrs, b.Address)
	}
	r.emit(event.RunStarted{RunID: o.RunID, Builds: addrs})
	r.sayDead()
	stop := r.sayCancelling(ctx)
	defer stop()
	if err := cancelledOr(ctx, r.sources(ctx, builds, v)); err != nil {
		r.emit(event.Failed{Err: err})
		r.emit(event.RunDone{Took: time.Since(start), Failed: addrs})
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	came, failed := r.retest(ctx, builds, v)
	stop()
	cancelled := ctx.Err() != nil
	if cleaning, _ := r.closing.open(); len(cleaning) > 0 {
		r.emit(event.Results{Took: time.Since(start), Failed: failed, Cancelled: cancelled, Cleaning: cleaning})
		r.awaitClosing(ctx)
	}
	if len(came) > 0 {
		err = o.Registry.PutTests(context.WithoutCancel(ctx), v.Bucket,
			registry.TestRun{Version: v.Name, Time: time.Now(), RunID: o.RunID, By: o.User, Builds: came})
		if err != nil {
			r.emit(event.Failed{Err: err})
		}
	}
	r.closeJournal()
	r.emit(event.RunDone{Took: time.Since(start), Failed: failed, Cancelled: cancelled})
	if err == nil && len(failed) > 0 {
		err = fmt.Errorf("%d of %d builds", len(failed), len(builds))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return nil
}

// Testable returns an error where Test would find nothing to do.
func Testable(p *plan.Plan, v registry.Version) error {
	_, err := tested(p, v)
	return err
}

// tested returns the builds that have tests and that are in the version.
func tested(p *plan.Plan, v registry.Version) ([]*plan.Build, error) {
	var out []*plan.Build
	tests := 0
	for _, b := range p.Builds {
		tests += len(b.Tests)
		if len(b.Tests) > 0 && recordOf(v, b.Address) != nil {
			out = append(out, b)
		}
	}
	switch {
	case tests == 0:
		return nil, builders.WithHint(fmt.Errorf("no tests to run: %s has none", p.Template.Path), `add one to a build: test "NAME" { expect { … } }`)
	case len(out) == 0:
		return nil, fmt.Errorf("no tests to run: version %s of %s has none of the builds that %s tests", v.Name, v.Bucket, p.Template.Path)
	}
	return out, nil
}

func recordOf(v registry.Version, build string) *artifact.Record {
	i := slices.IndexFunc(v.Records, func(rec artifact.Record) bool { return rec.Build == build })
	if i < 0 {
		return nil
	}
	return &v.Records[i]
}

// retest runs the tests of builds, and returns what they came to, and which
// builds failed.
func (r *run) retest(ctx context.Context, builds []*plan.Build, v registry.Version) (map[string]artifact.Tested, []string) {
	results := make([]*artifact.Tested, len(builds))
	errs := make([]error, len(builds))
	var g errgroup.Group
	if r.Parallel > 0 {
		g.SetLimit(r.Parallel)
	}
	for i, pb := range builds {
		g.Go(func() error {
			b := &build{run: r, Build: pb, log: event.Log{Build: pb.Address, Sink: r.Events}, started: time.Now()}
			results[i], errs[i] = b.retest(ctx, *recordOf(v, pb.Address))
			return nil
		})
	}
	_ = g.Wait() // each error is its build's
	came := map[string]artifact.Tested{}
	var failed []string
	for i, b := range builds {
		if results[i] != nil {
			came[b.Address] = *results[i]
		}
		if errs[i] != nil {
			failed = append(failed, b.Address)
		}
	}
	return came, failed
}

// sources looks for the source images of all builds, where the records do not
// say all that the tests need of them.
func (r *run) sources(ctx context.Context, builds []*plan.Build, v registry.Version) error {
	for _, b := range builds {
		if !b.Recall(*recordOf(v, b.Address)) {
			return r.plan.Resolve(ctx, r.History)
		}
	}
	return nil
}

// retest runs the tests of one build on an artifact and reports that. The
// result is nil where they did not come to an end.
func (b *build) retest(ctx context.Context, rec artifact.Record) (*artifact.Tested, error) {
	out, err := b.testAgain(ctx, rec)
	b.endPhase()
	done := event.BuildDone{Err: err, Took: time.Since(b.started), Times: b.times}
	if err == nil {
		done.Artifacts = []artifact.Artifact{rec.Artifact}
	} else {
		b.log.Emit(event.Failed{Err: err})
	}
	if b.LogPath != nil {
		done.Log = b.LogPath(b.Address)
	}
	b.log.Emit(done)
	return out, err
}

func (b *build) testAgain(ctx context.Context, rec artifact.Record) (*artifact.Tested, error) {
	b.enter("resolve", "", 0)
	if rec.Removed() {
		return nil, errors.New("what the build made was removed when it was post-processed (keep_input_artifact)")
	}
	var err error
	if !b.Recall(rec) {
		if err = b.Err; err == nil {
			err = b.Follow(ctx, b.History)
		}
	}
	if err == nil {
		err = b.stillThere(ctx, rec)
	}
	if err != nil {
		return nil, cancelledOr(ctx, err)
	}
	for _, x := range b.Tests {
		if err := needsOf(x.Steps); err != nil {
			return nil, fmt.Errorf("test %q: %w", x.Name, err)
		}
	}
	trials, err := b.trials(ctx, rec.Artifact, b.Base)
	if err != nil {
		return nil, cancelledOr(ctx, err)
	}
	return b.tested(trials), failureOf(trials)
}

// stillThere makes sure that the artifact is there to begin with.
func (b *build) stillThere(ctx context.Context, rec artifact.Record) error {
	if img := rec.Artifact.Image; img != nil {
		return b.Registry.Fetch(ctx, b.Publish.Bucket, *img)
	}
	there, err := b.Builder.Exists(ctx, rec.Artifact)
	if err == nil && !there {
		err = fmt.Errorf("%s is not there any more", rec.Artifact.ID)
	}
	return err
}
