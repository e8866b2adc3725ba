package engine

import (
	"context"
	"fmt"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/plan"
)

// builds runs all builds, Parallel at a time, in the order of the template and
// each when the images of those that it follows are there, while these are
// post-processed. One that waits for others takes no place.
func (r *run) builds(ctx context.Context) []result {
	limit := r.Parallel
	if limit <= 0 || limit > len(r.plan.Builds) {
		limit = max(1, len(r.plan.Builds))
	}
	g := &graph{run: r, results: make([]result, len(r.plan.Builds)), at: map[*plan.Build]int{}, state: make([]state, len(r.plan.Builds))}
	for i, b := range r.plan.Builds {
		g.at[b] = i
	}
	images, finished := make(chan image), make(chan int)
	for running := 0; ; {
		for i := g.next(ctx); i >= 0 && running < limit; i = g.next(ctx) {
			g.state[i] = underWay
			running++
			go func() {
				g.results[i] = r.build(ctx, r.plan.Builds[i], func(rec artifact.Record) { images <- image{i, rec} })
				finished <- i
			}()
		}
		if running == 0 {
			return g.results
		}
		select {
		case m := <-images:
			r.plan.Builds[m.of].Made = &m.record
		case i := <-finished:
			running--
			g.state[i] = ended
		}
	}
}

// graph is the builds of a run, by their numbers.
type graph struct {
	*run
	results []result
	at      map[*plan.Build]int
	state   []state
}

// state is how far a build is.
type state int

const (
	waiting state = iota
	underWay
	ended
)

// image is what a build has made, in all its places.
type image struct {
	of     int
	record artifact.Record
}

// next is the first build that can start, -1 where there is none. Those whose
// parents failed end here.
func (g *graph) next(ctx context.Context) int {
	for i, b := range g.plan.Builds {
		if g.state[i] != waiting {
			continue
		}
		ready, failed := g.parents(b)
		switch {
		case failed != "" && ctx.Err() == nil:
			g.results[i] = g.notRun(b, failed)
			g.state[i] = ended
		case ready || failed != "": // a run that was cancelled says so
			return i
		}
	}
	return -1
}

// parents reports whether the images of a build's parents are there, and which
// parent failed to make its own.
func (g *graph) parents(b *plan.Build) (ready bool, failed string) {
	ready = true
	for _, p := range b.Parents {
		i, ours := g.at[p.Build]
		switch {
		case !ours || p.Build.Made != nil: // it is left out, or its image is there
		case g.state[i] == ended:
			return false, p.Address
		default:
			ready = false
		}
	}
	return ready, ""
}

// notRun reports a build whose parent failed.
func (r *run) notRun(b *plan.Build, parent string) result {
	err := fmt.Errorf("not run: its parent %s failed", parent)
	log := event.Log{Build: b.Address, Sink: r.Events}
	log.Emit(event.Failed{Err: err})
	log.Emit(event.BuildDone{Err: err})
	return result{build: b, err: err}
}

// lookOutside finds out about the builds that are left out and that others
// start from. Where one of these is to run and the image is not there, it is
// an error, before anything is launched.
func (r *run) lookOutside(ctx context.Context) error {
	if len(r.plan.Outside) == 0 {
		return nil
	}
	if err := r.plan.Resolve(ctx, r.History); err != nil {
		return err
	}
	for _, b := range r.plan.Builds {
		if err := b.Left(); err != nil {
			return builders.WithHint(fmt.Errorf("%s: %w", b.Address, err), builders.Hint(err))
		}
	}
	return nil
}

// follow opens the builder with the images of its parents, where they are
// needed: for a build that has something to do.
func (b *build) follow(ctx context.Context) error {
	if len(b.Parents) == 0 {
		return nil
	}
	if b.Status != plan.Unchanged || b.Test || b.Distribute {
		return b.Follow(ctx, b.History)
	}
	if len(b.Post) > 0 || b.Test { // they may name what the image was made of, and can do without
		if err := b.Follow(ctx, b.History); err != nil {
			b.log.Warn(err.Error())
		}
	}
	return nil
}
