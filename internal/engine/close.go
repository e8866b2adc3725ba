package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/event"
)

const (
	// closeTimeout bounds the cleaning up after a build, also after
	// cancellation: clouds take minutes until a machine is gone and what it
	// used can be deleted.
	closeTimeout = 10 * time.Minute
	// stillEvery is how often the user hears what is waited for.
	stillEvery = 30 * time.Second
)

// closing are the sessions that end behind the rest of the run.
type closing struct {
	mu   sync.Mutex
	done map[string]chan struct{} // by the build's address
}

func (c *closing) start(build string) (end func()) {
	done := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = map[string]chan struct{}{}
	}
	c.done[build] = done
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.done, build)
		close(done)
	}
}

// open returns the builds whose sessions have not ended, and a channel of one
// of them.
func (c *closing) open() ([]string, chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	var next chan struct{}
	for name, done := range c.done {
		names, next = append(names, name), done
	}
	slices.Sort(names)
	return names, next
}

// closeBehind ends the session while the run goes on. Without an error in its
// way the image is good: what can't be removed is a warning.
func (b *build) closeBehind(ctx context.Context) {
	end := b.closing.start(b.Address)
	go func() {
		defer end()
		b.endSession(ctx)
	}()
}

// close ends the session of a build that failed, and says meanwhile what takes
// so long.
func (b *build) close(ctx context.Context) {
	if k, ok := b.session.(builders.Keeper); ok && b.kept {
		b.spare(k)
	} else {
		b.free()
	}
	b.endPhase()
	b.log.Emit(event.Phase{Name: "cleanup", Steps: len(b.Steps)})
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.endSession(ctx)
	}()
	waitFor(done, func(waited time.Duration) { b.log.Say(fmt.Sprintf("Still cleaning up after %s", waited)) })
}

// spare leaves the machine as it is, and notes that this is meant.
func (b *build) spare(k builders.Keeper) {
	k.Keep()
	if err := b.journal.Spare(b.Address); err != nil {
		b.log.Warn(err.Error())
	}
}

// endSession closes the session and tells what came of it.
func (b *build) endSession(ctx context.Context) {
	b.endMarks(ctx)
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), closeTimeout, fmt.Errorf("not done after %s", closeTimeout))
	defer cancel()
	start := time.Now()
	err := b.session.Close(ctx)
	b.log.Emit(event.CleanedUp{Took: time.Since(start), Err: err})
}

// waitFor waits until done is closed, and calls still now and then before.
func waitFor(done <-chan struct{}, still func(waited time.Duration)) {
	tick := time.NewTicker(stillEvery)
	defer tick.Stop()
	for n := time.Duration(1); ; n++ {
		select {
		case <-done:
			return
		case <-tick.C:
			still(n * stillEvery)
		}
	}
}

// awaitClosing waits for the sessions that have not ended yet.
func (r *run) awaitClosing(ctx context.Context) {
	stop := context.AfterFunc(ctx, func() {
		r.emit(event.Say{Text: "The results stand. Still cleaning up; once more to exit at once."})
	})
	defer stop()
	for {
		names, next := r.closing.open()
		if next == nil {
			return
		}
		waitFor(next, func(time.Duration) {
			names, _ = r.closing.open()
			r.emit(event.Say{Text: "Still cleaning up after " + strings.Join(names, ", ")})
		})
	}
}
