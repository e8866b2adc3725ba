package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/held"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/plan"
)

// build is one build under way.
type build struct {
	*run
	*plan.Build
	log     event.Log
	session builders.Session
	values  op.Values
	tainted bool        // the result is not the key's
	failed  []int       // the steps that failed and were let pass
	changed []int       // those whose files changed since they were planned
	kept    bool        // the machine is left as it is
	done    int         // steps
	held    *held.Build // what is gone on with; nil where the build starts anew

	attachments []artifact.Attachment
	marks       marks
	cases       []artifact.Case // of the step that expects something

	phase   string
	since   time.Time
	times   []event.Time
	started time.Time
}

// build runs one build to its end and reports it. Made is told of what it made,
// before that is post-processed.
func (r *run) build(ctx context.Context, pb *plan.Build, made func(artifact.Record)) result {
	b := &build{run: r, Build: pb, log: event.Log{Build: pb.Address, Sink: r.Events}, started: time.Now()}
	res := result{build: pb}
	res.record, res.artifacts, res.err = b.make(ctx, made)
	if res.err != nil {
		b.log.Emit(event.Failed{Err: res.err})
	}
	b.endPhase()
	done := event.BuildDone{Err: res.err, Took: time.Since(b.started), Times: b.times, Artifacts: res.artifacts}
	if r.LogPath != nil {
		done.Log = r.LogPath(pb.Address)
	}
	b.log.Emit(done)
	return res
}

// make takes the recorded artifact or builds one, and post-processes it.
func (b *build) make(ctx context.Context, made func(artifact.Record)) (artifact.Record, []artifact.Artifact, error) {
	if err := ctx.Err(); err != nil {
		return artifact.Record{}, nil, cancelledError{err}
	}
	if err := b.resolve(ctx); err != nil {
		return artifact.Record{}, nil, cancelledOr(ctx, err)
	}
	release, err := b.lease(ctx)
	if err != nil {
		return artifact.Record{}, nil, cancelledOr(ctx, err)
	}
	defer release()
	b.values = b.Vars()
	rec, err := b.recorded(ctx)
	if err == nil && b.Status != plan.Unchanged {
		rec, err = b.bake(ctx)
	}
	if err == nil {
		rec, err = b.test(ctx, rec)
	}
	if err == nil {
		rec, err = b.distribute(ctx, rec)
	}
	if err != nil {
		return rec, nil, err
	}
	made(rec)
	return b.postProcess(ctx, rec)
}

// recorded returns the record of an unchanged build, with its image at hand
// where post-processors need it.
func (b *build) recorded(ctx context.Context) (artifact.Record, error) {
	if b.Status != plan.Unchanged {
		return artifact.Record{}, nil
	}
	if b.Test {
		b.log.Say(b.Summary() + "; testing")
	} else if b.Distribute {
		b.log.Say(b.Summary() + "; distributing")
	} else {
		b.log.Emit(event.Skipped{Why: b.Summary(), Version: b.Version})
	}
	rec := *b.Record
	rec.Build = b.Address // another one may have made the same
	img := rec.Artifact.Image
	if img == nil || len(b.Post) == 0 || rec.Removed() {
		return rec, nil
	}
	return rec, b.Registry.Fetch(ctx, b.Publish.Bucket, *img)
}

// silence is how long a source may take before the build says what it waits
// for: most answer at once, but a machine may have to start first.
const silence = 2 * time.Second

// resolve finds out what there is to do.
func (b *build) resolve(ctx context.Context) error {
	b.enter("resolve", "", 0)
	slow := time.AfterFunc(silence, func() { b.log.Say("Waiting for the source to answer...") })
	err := b.Resolve(ctx, b.History)
	slow.Stop()
	if err != nil {
		return err
	}
	if b.Err != nil {
		return b.Err
	}
	if err := b.refuseConflict(); err != nil {
		return err
	}
	if err := b.takeUp(); err != nil {
		return err
	}
	if err := b.follow(ctx); err != nil {
		return err
	}
	return b.needs()
}

// bake begins a session, applies the steps and seals the image. The image is
// recorded as soon as it exists. From then on nobody waits for the session's
// end.
func (b *build) bake(ctx context.Context) (rec artifact.Record, err error) {
	if err := b.pauseBefore(ctx, "the start ("+b.BaseRecord.Name+")"); err != nil {
		return rec, cancelledOr(ctx, err)
	}
	b.enter("begin", b.BaseRecord.Name, 0)
	b.clear(ctx)
	b.session, err = b.begin(ctx)
	if err != nil {
		return rec, cancelledOr(ctx, b.SourceError(b.unreached(ctx, err)))
	}
	sealed, hideLogin := false, func() {}
	defer func() {
		_ = b.pauseBefore(ctx, "cleaning up") // the cleaning up is not up to the answer
		if !b.kept || b.OnError == Hold {     // what is held has its own
			hideLogin()
		}
		if sealed {
			b.closeBehind(ctx)
		} else {
			b.close(ctx)
		}
	}()
	if f, ok := b.session.(builders.Forcer); ok && (b.Force || b.Fresh) {
		f.Force()
	}
	b.bind()
	hideLogin = b.showLogin()
	if err := b.forget(ctx); err != nil {
		return rec, cancelledOr(ctx, err)
	}
	if err := b.applyAll(ctx); err != nil {
		return rec, cancelledOr(ctx, err)
	}
	if err := b.pauseBefore(ctx, "the image is made"); err != nil {
		return rec, cancelledOr(ctx, err)
	}
	b.enter("seal", "", 0)
	b.free() // the machine is not one to go on with from here on
	a, err := b.session.Seal(ctx)
	if err != nil && b.OnError == Hold {
		_, err = b.hold(ctx, err)
	}
	if err != nil {
		return rec, cancelledOr(ctx, err)
	}
	sealed = true
	return b.recordImage(ctx, a)
}

// applyAll applies the steps that the machine does not have yet.
func (b *build) applyAll(ctx context.Context) error {
	for b.done < len(b.Steps) {
		i, s := b.done, b.Steps[b.done]
		if !b.inCheckpoint(i, s) {
			b.markBefore(ctx, i)
			if err := b.step(ctx, i, s); err != nil {
				return b.onError(ctx, err)
			}
			b.markAfter(ctx, i, s)
		}
		b.done++
		b.progress()
	}
	return nil
}

// recordImage records the image that was sealed.
func (b *build) recordImage(ctx context.Context, a artifact.Artifact) (artifact.Record, error) {
	rec := b.NewRecord(b.RunID, a, time.Now())
	b.warnChanged("source "+b.Type, b.ChangedFiles(), "")
	if b.tainted {
		rec.Key = key.New("tainted/1").String(string(rec.Key)).String(b.RunID).Sum()
		for _, i := range b.failed {
			rec.Steps[i].Failed = true
		}
		for _, i := range b.changed {
			rec.Steps[i].Key = ""
		}
	}
	rec.Pending, rec.Attachments = pendingOf(b.Post, a), b.attachments
	if err := b.record(ctx, rec); err != nil {
		return rec, fmt.Errorf("record the artifact: %w", err)
	}
	return rec, nil
}

func (b *build) env() builders.Env {
	return builders.Env{RunID: b.RunID, Build: b.Address, Log: b.log, Journal: b.journal,
		Force: b.Force || b.held != nil && b.held.Force, Hold: b.OnError == Hold}
}

// record stores a record, also when the run was cancelled meanwhile: the image
// is good, and from here on not to be swept.
func (b *build) record(ctx context.Context, rec artifact.Record) error {
	if !b.tainted {
		rec.Key = b.Slot
	}
	if err := b.Registry.Record(context.WithoutCancel(ctx), b.Publish.Bucket, rec); err != nil {
		return err
	}
	for _, p := range rec.Artifact.Places {
		if err := b.journal.Keep(p.ID); err != nil {
			b.log.Warn(err.Error())
		}
	}
	return nil
}

// forget takes back what is recorded of a place, before it is changed: what a
// failed or killed run leaves there is not known.
func (b *build) forget(ctx context.Context) error {
	if !b.InPlace() || !b.Used || len(b.Steps) == 0 {
		return nil
	}
	return b.Registry.Record(ctx, b.Publish.Bucket, artifact.Record{Build: b.Address, Key: b.Slot, Created: time.Now().UTC(), RunID: b.RunID})
}

// bind takes the session's values over those that the plan knew.
func (b *build) bind() {
	for name, v := range b.session.Vars() {
		b.values[name] = v
		if v.IsSensitive() {
			b.Secrets.Add(v.Reveal())
		}
	}
}

// enter ends the phase before and starts one.
func (b *build) enter(phase, detail string, step int) {
	b.endPhase()
	b.phase, b.since = phase, time.Now()
	b.log.Emit(event.Phase{Name: phase, Detail: detail, Step: step, Steps: len(b.Steps)})
}

func (b *build) endPhase() {
	if b.phase == "" {
		return
	}
	took := time.Since(b.since)
	if n := len(b.times); n > 0 && b.times[n-1].Phase == b.phase {
		b.times[n-1].Took += took // one sum for all steps
	} else {
		b.times = append(b.times, event.Time{Phase: b.phase, Took: took})
	}
	b.phase = ""
}
