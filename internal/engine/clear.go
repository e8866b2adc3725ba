package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ingot-build/ingot/internal/journal"
)

// Clear removes what is left of a dead run. It returns what it could not
// remove, or is not sure of, and has said why.
type Clear func(ctx context.Context, d journal.Dead, say func(text string)) (stay []journal.Resource)

// clearing is the removal of what dead runs left of builds that begin anew.
type clearing struct {
	once sync.Once

	mu   sync.Mutex
	dead []journal.Dead // that are this run's to remove
}

// clear removes what dead runs of this host left of the build: an image or a
// machine may have the name that the new one is to have. What was left on
// purpose, or is held, stays.
func (b *build) clear(ctx context.Context) {
	if b.Clear == nil || b.Journals == "" {
		return
	}
	b.clearing.once.Do(func() { b.clearing.dead = b.takeDead() })
	for i := range b.clearing.dead {
		b.clearRun(ctx, &b.clearing.dead[i])
	}
}

// takeDead takes the dead runs that left something of builds of this one.
func (r *run) takeDead() []journal.Dead {
	dead, err := journal.TakeDead(r.Journals, time.Now())
	if err != nil {
		r.warn(err)
	}
	return slices.DeleteFunc(dead, func(d journal.Dead) bool {
		if len(r.clearable(d)) > 0 {
			return false
		}
		if err := d.LetGo(); err != nil {
			r.warn(err)
		}
		return true
	})
}

// clearable is what a dead run left that builds of this one remove. A run of
// which something is held may be gone on with at any time: it is let alone.
func (r *run) clearable(d journal.Dead) []journal.Resource {
	var out []journal.Resource
	for _, b := range r.plan.Builds {
		if r.Clear != nil && len(d.Held) == 0 {
			out = append(out, leftOf(d, b.Address)...)
		}
	}
	return out
}

// leftOf is what a dead run left of a build, unless it was meant to.
func leftOf(d journal.Dead, address string) []journal.Resource {
	if d.Spared(address) {
		return nil
	}
	return slices.DeleteFunc(slices.Clone(d.Resources), func(r journal.Resource) bool { return r.Build != address })
}

// clearRun removes what one dead run left of the build.
func (b *build) clearRun(ctx context.Context, d *journal.Dead) {
	b.clearing.mu.Lock()
	mine := *d
	b.clearing.mu.Unlock()
	if mine.Resources = leftOf(mine, b.Address); len(mine.Resources) == 0 {
		return
	}
	b.log.Say(fmt.Sprintf("Removing what a run of %s left of this build: %s", mine.Began.Local().Format(time.DateTime), leftText(mine.Resources)))
	stay := b.Clear(ctx, mine, b.log.Say)
	b.clearing.mu.Lock()
	defer b.clearing.mu.Unlock()
	others := slices.DeleteFunc(slices.Clone(d.Resources), func(r journal.Resource) bool { return r.Build == b.Address })
	d.Resources = append(others, stay...)
	if err := d.Forget(d.Resources); err != nil {
		b.log.Warn(err.Error())
	}
}

// letGo gives the dead runs back.
func (c *clearing) letGo() error {
	var errs []error
	for _, d := range c.dead {
		errs = append(errs, d.LetGo())
	}
	return errors.Join(errs...)
}
