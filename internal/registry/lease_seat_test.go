package registry

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

// leaseTags are the tags of leases in the bucket.
func leaseTags(t *testing.T, r *Registry) (list []string) {
	t.Helper()
	repo, err := r.repository("web")
	if err != nil {
		t.Fatal(err)
	}
	tags, err := repo.tags(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	for _, tag := range tags {
		if strings.HasPrefix(tag, leasePrefix) {
			list = append(list, tag)
		}
	}
	return list
}

// hold takes the lease, however often it has to look again for it.
func hold(t *testing.T, r *Registry, name string) (release func()) {
	t.Helper()
	for release == nil {
		var err error
		if release, err = r.Lease(t.Context(), "web", keyOf("one"), name, func(string) {}); err != nil {
			t.Fatal(err)
		}
	}
	return release
}

// Where the registry lets nobody delete, tags of leases are used again: one
// after the other needs one, and no more than are there at the same time.
func TestLeaseTagsAreUsedAgain(t *testing.T) {
	t.Parallel()
	r := quick(open(t, listen(t, keeper())+"/acme", t.TempDir()))
	for range 5 {
		hold(t, r, "one by one")()
	}
	if tags := leaseTags(t, r); len(tags) != 1 {
		t.Errorf("tags %q", tags)
	}
	const all, rounds = 6, 3
	var holders atomic.Int32
	for range rounds {
		var wg sync.WaitGroup
		for range all {
			wg.Go(func() {
				release := hold(t, r, "many")
				if holders.Add(1) > 1 {
					t.Error("two hold it")
				}
				holders.Add(-1)
				release()
			})
		}
		wg.Wait()
	}
	if tags := leaseTags(t, r); len(tags) > all {
		t.Errorf("%d tags: %q", len(tags), tags)
	}
}

// A tag that a killed process left is free for the next one, which does not
// wait again.
func TestLeaseTagOfTheDead(t *testing.T) {
	t.Parallel()
	r := quick(open(t, listen(t, keeper())+"/acme", t.TempDir()))
	first := startHolder(t, r, "first")
	first.until(t, "holds")
	if err := first.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	hold(t, r, "second")()
	before := leaseTags(t, r)
	release, err := r.Lease(t.Context(), "web", keyOf("one"), "third", func(who string) { t.Errorf("waits for %s", who) })
	if err != nil || release == nil {
		t.Fatal(err)
	}
	release()
	if tags := leaseTags(t, r); len(tags) != len(before) || len(tags) > 2 {
		t.Errorf("tags %q, then %q", before, tags)
	}
}
