package amazon

import (
	"context"
	"sync"
	"time"
)

// memo keeps what was looked up for a while, so that builds that look up the
// same ask once. Its zero value is ready.
type memo[T any] struct {
	mu      sync.Mutex
	entries map[string]*memoEntry[T]
}

type memoEntry[T any] struct {
	done  chan struct{}
	until time.Time // set when done
	value T
	err   error
}

// get returns what fetch returned for the key at most keep ago. Errors are not
// kept. A fetch goes on when the one who began it is cancelled: others wait too.
func (m *memo[T]) get(ctx context.Context, key string, keep time.Duration, fetch func(context.Context) (T, error)) (T, error) {
	m.mu.Lock()
	e := m.entries[key]
	if e != nil {
		select {
		case <-e.done:
			if e.err != nil || time.Now().After(e.until) {
				e = nil
			}
		default:
		}
	}
	if e == nil {
		e = &memoEntry[T]{done: make(chan struct{})}
		if m.entries == nil {
			m.entries = map[string]*memoEntry[T]{}
		}
		m.entries[key] = e
		go func() {
			within, cancel := context.WithTimeout(context.WithoutCancel(ctx), callTime)
			defer cancel()
			e.value, e.err = fetch(within)
			e.until = time.Now().Add(keep)
			close(e.done)
		}()
	}
	m.mu.Unlock()
	select {
	case <-e.done:
		return e.value, e.err
	case <-ctx.Done():
		var zero T
		return zero, context.Cause(ctx)
	}
}
