package registry

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/gofrs/flock"
)

// queue holds the changes of an index that this process wants to make. Who
// gets the turn writes all that wait at once: a write waits for the disk, and
// for other processes.
type queue struct {
	turn chan struct{} // of one: held by who writes

	mu      sync.Mutex
	waiting []*change
}

// change is one change of the index. It returns false where there is nothing
// to do.
type change struct {
	apply func(ix *index) (bool, error)
	done  chan error // of one: the result
}

func newQueue() queue { return queue{turn: make(chan struct{}, 1)} }

func (q *queue) add(c *change) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.waiting = append(q.waiting, c)
}

// all takes the changes that wait.
func (q *queue) all() []*change {
	q.mu.Lock()
	defer q.mu.Unlock()
	list := q.waiting
	q.waiting = nil
	return list
}

// withdraw takes a change back. It reports whether nobody had taken it yet.
func (q *queue) withdraw(c *change) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := slices.Index(q.waiting, c)
	if i >= 0 {
		q.waiting = slices.Delete(q.waiting, i, i+1)
	}
	return i >= 0
}

// update changes the index under a lock that all processes respect: either
// all of the change is seen or nothing.
func (l *layout) update(ctx context.Context, apply func(ix *index) (bool, error)) error {
	c := &change{apply, make(chan error, 1)}
	l.queue.add(c)
	select {
	case err := <-c.done:
		return err
	case l.queue.turn <- struct{}{}:
		err := l.writeWaiting(ctx)
		<-l.queue.turn
		if err != nil && l.queue.withdraw(c) {
			return err
		}
	case <-ctx.Done():
		if l.queue.withdraw(c) {
			return ctx.Err()
		}
	}
	return <-c.done
}

// writeWaiting makes all changes that wait when it has the lock. With an error
// it has made none, and they wait for the next.
func (l *layout) writeWaiting(ctx context.Context) error {
	if err := os.MkdirAll(l.dir, 0o755); err != nil {
		return err
	}
	lock := flock.New(filepath.Join(l.dir, "index.lock"))
	if _, err := lock.TryLockContext(ctx, retryLock); err != nil {
		return fmt.Errorf("lock the layout: %w", err)
	}
	defer lock.Close()
	list := l.queue.all()
	if len(list) == 0 {
		return nil // another has made it
	}
	made, err := l.write(list)
	for _, c := range made {
		c.done <- err
	}
	return nil
}

// write writes the index with the changes, and returns those whose result is
// that of writing. The others have theirs already.
func (l *layout) write(list []*change) (made []*change, err error) {
	l.sweepTemporary()
	next, err := l.read()
	if err != nil {
		return list, err
	}
	for _, c := range list {
		with := next.clone()
		changed, err := c.apply(with)
		if err != nil || !changed {
			c.done <- err
			continue
		}
		next, made = with, append(made, c)
	}
	if len(made) == 0 {
		return nil, nil
	}
	if err := l.writeMarker(); err != nil {
		return made, err
	}
	return made, replace(l.indexPath(), next.bytes())
}
