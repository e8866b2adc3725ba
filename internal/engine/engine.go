// Package engine runs a plan: one goroutine a build, events to the UI, and at
// the end one version in the registry.
package engine

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/registry"
	"github.com/ingot-build/ingot/internal/secret"
)

// ErrFailed is in the chain of Run's error when builds failed. The events have
// said which and why.
var ErrFailed = errors.New("builds failed")

// OnError is what to do with a machine after a step failed.
type OnError string

// What -on-error takes.
const (
	Cleanup    OnError = "cleanup"                 // run the error-cleanup-provisioner, remove the machine
	Abort      OnError = "abort"                   // leave everything as it is
	Ask        OnError = "ask"                     // ask: clean up, abort or retry the step
	RunCleanup OnError = "run-cleanup-provisioner" // run the error-cleanup-provisioner, leave the rest
	Checkpoint OnError = "checkpoint"              // keep an image of the machine as the last good step left it, then as Cleanup
	Hold       OnError = "hold"                    // leave the machine for a while, for a later run to go on with
)

// Registry is what the engine does with a registry.
type Registry interface {
	Record(ctx context.Context, bucket string, rec artifact.Record) error
	Fetch(ctx context.Context, bucket string, img artifact.Image) error
	Version(ctx context.Context, bucket, name string) (registry.Version, bool, error)
	Publish(ctx context.Context, v registry.Version) (registry.Version, bool, error)
	Latest(ctx context.Context, bucket string) (registry.Version, bool, error)
	PointChannels(ctx context.Context, v registry.Version, channels []string, by string) (registry.Pointed, error)
	Settings(ctx context.Context, bucket, channel string) (registry.Settings, error)
	SetSettings(ctx context.Context, bucket, channel, by string, s registry.Settings) error
	Lease(ctx context.Context, bucket string, k key.Key, holder string, waiting func(holder string)) (release func(), err error)
	Checkpoints(ctx context.Context, bucket string) ([]artifact.Checkpoint, error)
	PutCheckpoint(ctx context.Context, c artifact.Checkpoint) error
	DropCheckpoint(ctx context.Context, c artifact.Checkpoint) error
	PutTests(ctx context.Context, bucket string, t registry.TestRun) error
	Address() string
}

// Options is how a plan is run.
type Options struct {
	RunID     string
	Parallel  int // builds at the same time; 0 is all
	OnError   OnError
	Holding   Holding
	Resume    *Resume // a run that is gone on with: RunID is its id; nil starts a new one
	Force     bool
	Debug     bool // pause before each step; Parallel is to be 1
	Registry  Registry
	History   plan.History // what the sources and steps are compared with
	Events    event.Sink
	Secrets   *secret.Set
	Dir       string        // relative paths start here
	Journals  string        // folder of the journals of runs; "" keeps none
	Sandbox   bool          // the clouds are those of the sandbox
	Sweep     string        // the command that clears what dead runs left, as users are told
	Clear     Clear         // what clears it of a build before that begins; nil leaves it to the command
	GitCommit func() string // of the template's repository, "" where there is none
	User      string        // who runs it, for the history of channels

	Unpublished bool                     // versions and channels stay as they are; what was built is recorded all the same
	Fingerprint string                   // what the environment calls the run; "" where it does not say
	Made        func() map[string]string // how the versions are made, see registry.Version; nil says nothing

	// Ask puts a question to the user and returns one of the answers. It
	// returns an error where there is no terminal.
	Ask func(ctx context.Context, build, question string, answers []string) (string, error)
	// LogPath gives the file that the events of a build are logged to.
	LogPath func(build string) string
}

// run is one run of a plan.
type run struct {
	Options
	plan    *plan.Plan
	taken   map[string]registry.Version // versions that the template names and that exist, by bucket
	journal *journal.Journal
	closing closing

	clearing clearing

	askMu sync.Mutex
	mu    sync.Mutex
	first map[string]bool // post-processors that have run already in this run
}

// result is what one build came to.
type result struct {
	build     *plan.Build
	record    artifact.Record
	artifacts []artifact.Artifact
	err       error
}

// Run runs the builds that have something to do, publishes a version when all
// succeeded, and reports all of it as events.
func Run(ctx context.Context, p *plan.Plan, o Options) error {
	r := &run{Options: o, plan: p, taken: map[string]registry.Version{}, first: map[string]bool{}}
	switch {
	case o.Resume != nil:
		r.journal = o.Resume.Journal
	case o.Journals != "":
		r.journal = journal.Open(o.Journals, o.RunID)
	}
	start := time.Now()
	var addrs []string
	for _, b := range p.Builds {
		addrs = append(addrs, b.Address)
	}
	r.emit(event.RunStarted{RunID: o.RunID, Builds: addrs})
	r.sayDead()
	stop := r.sayCancelling(ctx)
	defer stop()
	err := r.look(ctx)
	if err == nil {
		err = cancelledOr(ctx, r.lookOutside(ctx))
	}
	if err != nil {
		r.emit(event.Failed{Err: err})
		r.emit(event.RunDone{Took: time.Since(start), Failed: addrs})
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	results := r.builds(ctx)
	stop()
	var failed []string
	for _, res := range results {
		if res.err != nil {
			failed = append(failed, res.build.Address)
		}
	}
	if len(failed) == 0 && r.Unpublished {
		r.emit(event.Say{Text: "Nothing is published, as the environment says"})
	} else if len(failed) == 0 {
		if err = r.publish(ctx, results); err != nil {
			r.emit(event.Failed{Err: err})
		}
	}
	cancelled := ctx.Err() != nil
	if cleaning, _ := r.closing.open(); len(cleaning) > 0 {
		r.emit(event.Results{Took: time.Since(start), Failed: failed, Cancelled: cancelled, Cleaning: cleaning})
		r.awaitClosing(ctx)
	}
	r.closeJournal()
	r.emit(event.RunDone{Took: time.Since(start), Failed: failed, Cancelled: cancelled})
	if err == nil && len(failed) > 0 {
		err = fmt.Errorf("%d of %d builds", len(failed), len(results))
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrFailed, err)
	}
	return nil
}

// look reads what the registry has of the template's buckets, before anything
// is done: one that is down or refuses the login is one error.
func (r *run) look(ctx context.Context) error {
	for _, group := range byBucket(r.plan.Builds) {
		pub := group[0].Publish
		if _, _, _, err := r.History.Last(ctx, pub.Bucket, group[0].Address); err != nil {
			return cancelledOr(ctx, err)
		}
		if pub.Version == "" || r.Unpublished {
			continue
		}
		v, found, err := r.Registry.Version(ctx, pub.Bucket, pub.Version)
		if err != nil {
			return cancelledOr(ctx, err)
		}
		if found && v.Name != pub.Version {
			return builders.WithHint(fmt.Errorf("publish: %s is a channel of bucket %s, and can't be a version too", pub.Version, pub.Bucket),
				"set another `version` in the publish block")
		}
		if found {
			r.taken[pub.Bucket] = v
		}
	}
	return nil
}

// sayCancelling says so when ctx ends, until stop is called.
func (r *run) sayCancelling(ctx context.Context) (stop func()) {
	said := make(chan struct{})
	cancel := context.AfterFunc(ctx, func() {
		defer close(said)
		r.emit(event.Say{Text: fmt.Sprintf("Cancelling build: %v. Cleaning up; once more to exit at once.", context.Cause(ctx))})
	})
	return sync.OnceFunc(func() {
		if !cancel() {
			<-said
		}
	})
}

func (r *run) emit(body event.Body) { event.Log{Sink: r.Events}.Emit(body) }
