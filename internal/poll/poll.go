// Package poll waits for many things at once with one batched request at a
// time: all builds of an account and region share a Poller for each kind of
// thing.
package poll

import (
	"cmp"
	"context"
	"sync"
	"time"
)

// Poller asks about the things that somebody waits for. Its zero value with
// Fetch set works. It is safe for concurrent use.
type Poller[T any] struct {
	// Fetch returns the present state of those that exist, by id, in one
	// request where the service has one. An error ends the wait of all, unless
	// Retry says otherwise.
	Fetch func(ctx context.Context, ids []string) (map[string]T, error)
	// Retry reports whether to ask again after an error, and whether that was
	// throttling, which widens the interval. Nil retries nothing.
	Retry func(err error) (again, throttled bool)
	// Every is the interval; 0 is one second. Longest bounds it under
	// throttling; 0 is 15 seconds.
	Every, Longest time.Duration
	// Idle bounds the interval while nobody comes and nothing is reached, which
	// widens it; 0 is Every.
	Idle time.Duration

	mu      sync.Mutex
	waiting map[*waiter[T]]bool
	running bool
	last    time.Time
	news    chan struct{} // somebody came, or more may have been reached
}

type waiter[T any] struct {
	id    string
	check func(T, bool) (bool, error)
	done  chan error
	value T
}

// Wait returns the state of id once check says that it is reached. check gets
// the state and whether the thing exists at all yet; its error ends the wait.
// The deadline is ctx's, whose cause is returned.
func (p *Poller[T]) Wait(ctx context.Context, id string, check func(state T, exists bool) (bool, error)) (T, error) {
	w := &waiter[T]{id: id, check: check, done: make(chan error, 1)}
	p.mu.Lock()
	if p.waiting == nil {
		p.waiting = map[*waiter[T]]bool{}
		p.news = make(chan struct{}, 1)
	}
	p.waiting[w] = true
	p.stir()
	if !p.running {
		p.running = true
		go p.run()
	}
	p.mu.Unlock()
	select {
	case err := <-w.done:
		return w.value, err
	case <-ctx.Done():
		p.mu.Lock()
		delete(p.waiting, w)
		p.mu.Unlock()
		var zero T
		return zero, context.Cause(ctx)
	}
}

// Stir says that what is waited for may have been reached just now, so that it
// is asked about as soon as the interval allows.
func (p *Poller[T]) Stir() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stir()
}

func (p *Poller[T]) stir() {
	select {
	case p.news <- struct{}{}:
	default: // it is known, or nobody waits
	}
}

// run asks until nobody waits. No two requests start within the interval,
// also when a wait ends and another begins, and none before others could join:
// those that miss it wait an interval.
func (p *Poller[T]) run() {
	every, longest := cmp.Or(p.Every, time.Second), cmp.Or(p.Longest, 15*time.Second)
	interval, idle := every, every // idle is longer while nothing happens
	for {
		if p.pause(interval, idle) {
			idle = every
		}
		ids := p.ids()
		if len(ids) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		states, err := p.Fetch(ctx, ids)
		cancel()
		again, throttled := false, false
		if err != nil && p.Retry != nil {
			again, throttled = p.Retry(err)
		}
		switch {
		case throttled:
			interval = min(interval*2, longest)
		case err == nil:
			interval = max(every, interval*3/4)
		}
		idle = min(idle*3/2, max(p.Idle, every))
		if (err == nil || !again) && p.tell(ids, states, err) {
			idle = every
		}
	}
}

// pause waits for the time of the next request: the longer one of both, unless
// there is news.
func (p *Poller[T]) pause(interval, idle time.Duration) (news bool) {
	p.mu.Lock()
	last := p.last
	p.mu.Unlock()
	if idle > interval {
		select {
		case <-p.news:
			news = true
		case <-time.After(time.Until(last.Add(idle))):
			return false
		}
	}
	<-time.After(max(gatherTime, time.Until(last.Add(interval))))
	select {
	case <-p.news:
		return true
	default:
		return news
	}
}

// ids returns what is waited for, and notes that a request starts. It ends the
// loop where there is nothing.
func (p *Poller[T]) ids() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	seen := map[string]bool{}
	var out []string
	for w := range p.waiting {
		if !seen[w.id] {
			seen[w.id] = true
			out = append(out, w.id)
		}
	}
	if len(out) == 0 {
		p.running = false
		return nil
	}
	p.last = time.Now()
	return out
}

// tell gives the states to those who wait for the ids that were asked about,
// and says whether any wait ended.
func (p *Poller[T]) tell(ids []string, states map[string]T, err error) (reached bool) {
	asked := map[string]bool{}
	for _, id := range ids {
		asked[id] = true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := range p.waiting {
		if !asked[w.id] {
			continue
		}
		done, werr := err != nil, err
		if err == nil {
			state, exists := states[w.id]
			w.value = state
			done, werr = w.check(state, exists)
		}
		if done || werr != nil {
			delete(p.waiting, w)
			w.done <- werr
			reached = true
		}
	}
	return reached
}
