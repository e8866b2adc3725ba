package poll

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestGather asks from many at once: one question is enough, and the next one
// is another.
func TestGather(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		questions := 0
		g := &Gather[string]{Most: 60, Ask: func(_ context.Context, keys []string) (map[string]string, error) {
			questions++
			found := map[string]string{}
			for _, k := range keys {
				if k != "none" {
					found[k] = "value of " + k
				}
			}
			return found, nil
		}}
		var all sync.WaitGroup
		for _, key := range []string{"a", "b", "none", "a"} {
			all.Go(func() {
				v, ok, err := g.Get(t.Context(), key)
				if err != nil || ok != (key != "none") || ok && v != "value of "+key {
					t.Errorf("%s: %q, %v, %v", key, v, ok, err)
				}
			})
		}
		all.Wait()
		if questions != 1 {
			t.Errorf("%d questions at once", questions)
		}
		if _, ok, err := g.Get(t.Context(), "b"); !ok || err != nil || questions != 2 {
			t.Errorf("later: %v, %v, %d questions", ok, err, questions)
		}
	})
}

func TestGatherMost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var sizes []int
		g := &Gather[int]{Most: 2, Ask: func(_ context.Context, keys []string) (map[string]int, error) {
			mu.Lock()
			defer mu.Unlock()
			sizes = append(sizes, len(keys))
			return nil, nil
		}}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() { _, _, _ = g.Get(t.Context(), "a") })
		}
		all.Wait()
		if len(sizes) != 3 || max(sizes[0], sizes[1], sizes[2]) > 2 {
			t.Errorf("questions of %d keys", sizes)
		}
	})
}

// TestIdle has nothing happen for a while: it is asked less and less often,
// and again as soon as something has.
func TestIdle(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var asked []time.Duration
		reached := false
		p := &Poller[bool]{Every: time.Second, Idle: 4 * time.Second, Fetch: func(_ context.Context, ids []string) (map[string]bool, error) {
			asked = append(asked, time.Since(begin))
			return map[string]bool{ids[0]: reached}, nil
		}}
		end := make(chan error)
		go func() {
			_, err := p.Wait(t.Context(), "a", func(is, exists bool) (bool, error) { return is, nil })
			end <- err
		}()
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if n := len(asked); n < 4 || n > 6 {
			t.Errorf("asked at %v", asked)
		}
		before := len(asked)
		reached = true
		p.Stir()
		if err := <-end; err != nil || len(asked) != before+1 {
			t.Errorf("asked at %v: %v", asked, err)
		}
		if gap := asked[before] - asked[before-1]; gap < time.Second {
			t.Errorf("two requests within %s", gap)
		}
		time.Sleep(10 * time.Second) // the poller notices that nobody waits
	})
}
