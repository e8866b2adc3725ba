package registry

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"oras.land/oras-go/v2/errdef"

	"github.com/ingot-build/ingot/internal/pause"
)

// Who lets go of a lease deletes its tag. Many registries let nobody delete:
// there the tag stays, says that it is free, and is taken by the next one, so
// that there are never more tags of a lease than wanted it at the same time.
//
// Two may take a tag at the same time, and the one that writes last has it. Each
// of them counts on it only when it finds itself there after a while. Who wrote
// soon after it saw that the tag was free waits as long again: who else saw that
// has written by then. Who was slower may have written over one that counts on
// the tag already, and waits until that would have moved it.

// sit finds the contender a tag of its own: one that is free, or a new one where
// none is.
func (l *leasing) sit(ctx context.Context) error {
	for {
		list, err := l.all(ctx)
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(o contender) bool { return !o.free })
		if len(list) == 0 {
			return l.say(ctx, func(c *contender) { c.tag = l.prefix + c.id })
		}
		if got, err := l.take(ctx, list[rand.IntN(len(list))].tag); err != nil || got {
			return err
		}
	}
}

// take takes a tag, and reports whether nobody else did.
func (l *leasing) take(ctx context.Context, tag string) (got bool, err error) {
	begun := time.Now()
	o, err := l.read(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) || err == nil && !o.free {
		return false, nil
	}
	if err == nil {
		err = l.say(ctx, func(c *contender) { c.tag = tag })
	}
	if err != nil {
		return false, err
	}
	settled := l.times.seat
	if time.Since(begun) > l.times.seat {
		settled += l.times.beat
	}
	if err := pause.For(ctx, settled); err != nil {
		return false, err
	}
	now, err := l.read(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return false, nil
	}
	return now.id == l.id, err
}

// bury removes the tag that a killed process left, or says that it is free.
// Where that does not succeed, the next one tries again.
func (l *leasing) bury(ctx context.Context, dead contender) {
	if l.Delete(ctx, dead.desc) == nil {
		return
	}
	dead.over, dead.held = true, false
	_, _ = l.put(ctx, dead)
}
