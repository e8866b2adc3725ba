package registry

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"

	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/pause"
)

// OCI registries have no locks and no "write this tag only if it is new". What
// they have is enough for Lamport's bakery: everybody who wants a lease has a
// tag of its own, "lease.KEY.TOKEN", that only it writes. It says that it is
// about to draw a number, looks at the numbers of all others, and draws a
// higher one. Then it waits for all who have a lower number, and for those who
// were drawing while it looked. The lowest number holds the lease, and its tag
// says so: who sees it go knows that something was done.
//
// As long as it lives, everybody moves its tag to another manifest now and
// then. A tag that stands still for long, by the clock of who watches it, is
// one that a killed process left.

// leaseTimes are the times of leases in a registry.
type leaseTimes struct {
	beat  time.Duration // how often the tag of one that lives is moved
	dead  time.Duration // how long a tag stands still until it counts for nothing
	look  time.Duration // how often a tag that is waited for is looked at
	leave time.Duration // how long one write may take, the last one too
	seat  time.Duration // how soon a tag that is free is taken, as a rule
}

func usualLeaseTimes() leaseTimes {
	return leaseTimes{beat: 5 * time.Second, dead: 30 * time.Second, look: 500 * time.Millisecond, leave: 10 * time.Second, seat: time.Second}
}

// beats is how many different manifests a tag is moved between.
const beats = 4

// What a tag says beside the number.
const (
	stateHeld = "held"
	stateOver = "over" // held, and let go
	stateLeft = "left" // before it was held
)

// contender is one that wants a lease, or has it.
type contender struct {
	tag    string
	id     string // nobody else has it; tags are used again
	number int    // 0 while it draws
	who    string // as people read it
	held   bool   // it had its turn
	over   bool   // it let go, where its tag can't be removed
	free   bool   // so that its tag may be taken
	beat   int
	desc   ocispec.Descriptor // of the manifest that says so
}

// leasing is the contender that this process is.
type leasing struct {
	*remoteBucket
	prefix string // of the tags of the lease

	mu sync.Mutex // of a write
	contender
}

func (b *remoteBucket) lease(ctx context.Context, k key.Key, holder string, waiting func(string)) (func(), error) {
	prefix := leasePrefix + string(k) + "."
	l := &leasing{remoteBucket: b, prefix: prefix, contender: contender{id: token(), who: holder}}
	empty := ocispec.DescriptorEmptyJSON
	if err := pushBytes(ctx, b, empty, empty.Data); err != nil {
		return nil, err
	}
	if err := l.sit(ctx); err != nil {
		return nil, err
	}
	stop := l.live(context.WithoutCancel(ctx))
	release := func() {
		stop()
		l.letGo(context.WithoutCancel(ctx))
	}
	gone, err := l.queue(ctx, waiting)
	if err == nil && !gone {
		err = l.say(ctx, func(c *contender) { c.held = true })
	}
	if err != nil || gone {
		release()
		return nil, err
	}
	return release, nil
}

// queue draws a number and waits for its turn. It reports whether one that held
// the lease meanwhile let go.
func (l *leasing) queue(ctx context.Context, waiting func(string)) (gone bool, err error) {
	others, err := l.others(ctx)
	if err != nil {
		return false, err
	}
	highest := 0
	for _, o := range others {
		highest = max(highest, o.number)
	}
	if err := l.say(ctx, func(c *contender) { c.number = highest + 1 }); err != nil {
		return false, err
	}
	if others, err = l.others(ctx); err != nil {
		return false, err
	}
	for _, o := range others {
		if gone, err := l.outlast(ctx, o, waiting); err != nil || gone {
			return gone, err
		}
	}
	return false, nil
}

// before reports whether the other has its turn first.
func (l *leasing) before(o contender) bool {
	return o.number < l.number || o.number == l.number && o.tag < l.tag
}

// outlast waits as long as another is before this one and lives. It reports
// whether it held the lease and let go. One that only waited, too, and does no
// more, is nothing to go away for: two that did would make each other go on
// and on.
func (l *leasing) outlast(ctx context.Context, o contender, waiting func(string)) (gone bool, err error) {
	said := false
	for moved := time.Now(); !o.over && l.before(o); {
		if time.Since(moved) > l.times.dead {
			l.bury(ctx, o)
			return false, nil
		}
		if o.held && !said {
			waiting(o.who)
			said = true
		}
		if err := pause.For(ctx, l.times.look); err != nil {
			return false, err
		}
		now, err := l.read(ctx, o.tag)
		if errors.Is(err, errdef.ErrNotFound) {
			return o.held, nil
		}
		if err != nil {
			return false, err
		}
		if now.id != o.id {
			return o.held, nil // one that came later has the tag
		}
		if now.desc.Digest != o.desc.Digest {
			o, moved = now, time.Now()
		}
	}
	return o.held, nil
}

// others are those who want the lease too, or have it, in the order of their
// turns.
func (l *leasing) others(ctx context.Context) ([]contender, error) {
	list, err := l.all(ctx)
	list = slices.DeleteFunc(list, func(o contender) bool { return o.over })
	slices.SortFunc(list, func(a, b contender) int {
		return cmp.Or(a.number-b.number, strings.Compare(a.tag, b.tag))
	})
	return list, err
}

// all are the others whose tags are there, also those that let go.
func (l *leasing) all(ctx context.Context) ([]contender, error) {
	tags, err := l.tags(ctx)
	if err != nil {
		return nil, err
	}
	var list []contender
	for _, tag := range tags {
		if !strings.HasPrefix(tag, l.prefix) || tag == l.tag {
			continue
		}
		o, err := l.read(ctx, tag)
		if errors.Is(err, errdef.ErrNotFound) {
			continue // it let go since
		}
		if err != nil {
			return nil, err
		}
		list = append(list, o)
	}
	return list, nil
}

// read returns what a tag says. One that is no lease stands in nobody's way.
func (l *leasing) read(ctx context.Context, tag string) (contender, error) {
	desc, from, err := l.FetchReference(ctx, tag)
	if err != nil {
		return contender{}, err
	}
	defer from.Close()
	var m ocispec.Manifest
	if desc.Size > largest {
		return contender{tag: tag, over: true}, nil
	}
	data, err := content.ReadAll(from, desc)
	if err != nil {
		return contender{}, checked(desc, err)
	}
	if json.Unmarshal(data, &m) != nil || m.ArtifactType != LeaseType {
		return contender{tag: tag, over: true}, nil
	}
	number, err := strconv.Atoi(m.Annotations[annNumber])
	state := m.Annotations[annState]
	free := state == stateOver || state == stateLeft
	return contender{tag: tag, id: m.Annotations[annToken], number: number, who: m.Annotations[annBy],
		held: state == stateHeld || state == stateOver, over: err != nil || free, free: free, desc: desc}, nil
}

// say changes what the contender's own tag says.
func (l *leasing) say(ctx context.Context, change func(*contender)) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(&l.contender)
	desc, err := l.put(ctx, l.contender)
	l.desc = desc
	return err
}

// put makes the tag of a contender say what is known of it.
func (l *leasing) put(ctx context.Context, c contender) (ocispec.Descriptor, error) {
	m := ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest, ArtifactType: LeaseType,
		Config: ocispec.DescriptorEmptyJSON, Layers: []ocispec.Descriptor{ocispec.DescriptorEmptyJSON},
		Annotations: map[string]string{annNumber: strconv.Itoa(c.number), annBy: c.who, annBeat: strconv.Itoa(c.beat), annToken: c.id},
	}
	m.Config.Data, m.Layers[0].Data = nil, nil
	switch {
	case c.over && c.held:
		m.Annotations[annState] = stateOver
	case c.over:
		m.Annotations[annState] = stateLeft
	case c.held:
		m.Annotations[annState] = stateHeld
	}
	data, err := json.Marshal(m)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := content.NewDescriptorFromBytes(m.MediaType, data)
	return desc, l.PushReference(ctx, desc, bytes.NewReader(data), c.tag)
}

// live moves the tag now and then, until stop is called. A write that is under
// way then is waited for: it must not come after the last.
func (l *leasing) live(ctx context.Context) (stop func()) {
	beating, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for pause.For(beating, l.times.beat) == nil {
			ctx, cancel := context.WithTimeout(ctx, l.times.leave)
			// What can't be written now may be the next time, and others wait
			// longer than for one.
			_ = l.say(ctx, func(c *contender) { c.beat = (c.beat + 1) % beats })
			cancel()
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// letGo says that the lease is free, and removes the tag where the registry can
// do that. Who can't be reached any more takes it for dead after a while.
func (l *leasing) letGo(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, l.times.leave)
	defer cancel()
	if err := l.say(ctx, func(c *contender) { c.over = true }); err == nil {
		_ = l.Delete(ctx, l.desc)
	}
}
