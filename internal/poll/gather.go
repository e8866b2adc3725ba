package poll

import (
	"context"
	"sync"
	"time"
)

// gatherTime is how long the first who asks does so for others: builds that
// were told the same go on together.
const gatherTime = 20 * time.Millisecond

// Gather asks once for things that many want to know at about the same time. It
// is safe for concurrent use.
type Gather[T any] struct {
	// Ask returns the things that exist, by key, in one request where the
	// service has one.
	Ask func(ctx context.Context, keys []string) (map[string]T, error)
	// Most is how many keys one question has; 0 is 100. Patience is how long it
	// may take; 0 is one minute.
	Most     int
	Patience time.Duration

	mu   sync.Mutex
	next *question[T]
}

// question is one for which keys are still taken.
type question[T any] struct {
	keys  []string
	done  chan struct{}
	found map[string]T
	err   error
}

// Get returns the thing that has the key, if there is one. It returns ctx's
// cause when that ends before the answer is there.
func (g *Gather[T]) Get(ctx context.Context, key string) (T, bool, error) {
	q := g.join(key)
	select {
	case <-q.done:
		v, ok := q.found[key]
		return v, ok, q.err
	case <-ctx.Done():
		var zero T
		return zero, false, context.Cause(ctx)
	}
}

// join adds a key to the next question, which the first one begins.
func (g *Gather[T]) join(key string) *question[T] {
	g.mu.Lock()
	defer g.mu.Unlock()
	q := g.next
	if q == nil {
		q = &question[T]{done: make(chan struct{})}
		g.next = q
		time.AfterFunc(gatherTime, func() { g.ask(q) })
	}
	q.keys = append(q.keys, key)
	most := g.Most
	if most <= 0 {
		most = 100
	}
	if len(q.keys) >= most {
		g.next = nil
	}
	return q
}

func (g *Gather[T]) ask(q *question[T]) {
	g.mu.Lock()
	if g.next == q {
		g.next = nil
	}
	g.mu.Unlock()
	defer close(q.done)
	patience := g.Patience
	if patience <= 0 {
		patience = time.Minute
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	q.found, q.err = g.Ask(ctx, q.keys)
}
