package container

import (
	"context"
	"sync"
	"time"

	"github.com/moby/buildkit/client"
	"github.com/opencontainers/go-digest"

	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/lines"
)

// stragglers is how long the last lines of a vertex may come after its result.
const stragglers = 2 * time.Second

// progress follows what BuildKit tells of a build: it logs what commands
// print, and knows which vertices are done.
type progress struct {
	log event.Log

	mu        sync.Mutex
	known     map[digest.Digest]*vertex
	changed   chan struct{} // closed and replaced with each change
	following int           // builds that are followed
}

type vertex struct {
	name         string // what it does
	done, cached bool
	failure      string // why it failed

	out [2]*lines.Writer // standard output and error
	mu  sync.Mutex       // held while a line is logged
}

func newProgress(log event.Log) *progress {
	return &progress{log: log, known: map[digest.Digest]*vertex{}, changed: make(chan struct{})}
}

// expect returns those of the vertices that were not asked for before.
func (p *progress) expect(all map[digest.Digest]string) []digest.Digest {
	p.mu.Lock()
	defer p.mu.Unlock()
	var fresh []digest.Digest
	for d, name := range all {
		if p.known[d] == nil {
			v := &vertex{name: name}
			p.known[d], p.known[uncached(d)] = v, v
			fresh = append(fresh, d)
		}
	}
	return fresh
}

// uncached is what BuildKit may call a vertex that must not be taken from the
// cache.
func uncached(d digest.Digest) digest.Digest { return digest.FromString(d.String() + "-ignorecache") }

// forget makes vertices unknown again: they will be asked for again.
func (p *progress) forget(list []digest.Digest) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range list {
		delete(p.known, d)
		delete(p.known, uncached(d))
	}
}

// follow reads what BuildKit tells of a build until it stops. The build that
// comes after one that failed may be followed before that one's end is heard of.
func (p *progress) follow(status <-chan *client.SolveStatus) {
	p.mu.Lock()
	p.following++
	p.mu.Unlock()
	go func() {
		for st := range status {
			p.update(st)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.following--
		p.wake()
	}()
}

func (p *progress) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
}

func (p *progress) update(st *client.SolveStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, l := range st.Logs {
		if w := p.writer(l); w != nil {
			_, _ = w.Write(l.Data)
			if p.known[l.Vertex].done { // nobody will end its last line
				w.Flush()
			}
		}
	}
	for _, vx := range st.Vertexes {
		v := p.known[vx.Digest]
		if v == nil {
			continue
		}
		// A vertex whose layers are fetched from a cache is said to have
		// started and completed several times, and only once to be cached.
		v.cached = v.cached || vx.Cached
		if vx.Completed == nil {
			continue
		}
		v.done, v.failure = true, vx.Error
		for _, w := range v.out {
			if w != nil {
				w.Flush()
			}
		}
	}
	p.wake()
}

// writer returns where a vertex's output goes, nil for a vertex that is none
// of a step's.
func (p *progress) writer(l *client.VertexLog) *lines.Writer {
	v := p.known[l.Vertex]
	if v == nil || l.Stream != 1 && l.Stream != 2 {
		return nil
	}
	i := l.Stream - 1
	if v.out[i] == nil {
		v.out[i] = lines.New(&v.mu, func(line string) { p.log.Output(line, i == 1) })
	}
	return v.out[i]
}

// settle waits for what BuildKit has yet to tell about vertices whose results
// are known. Where one has failed, those after it are never heard of.
func (p *progress) settle(ctx context.Context, list []digest.Digest, failed bool) {
	timer := time.NewTimer(stragglers)
	defer timer.Stop()
	for {
		p.mu.Lock()
		over := p.following == 0 || p.settled(list, failed)
		changed := p.changed
		p.mu.Unlock()
		if over {
			return
		}
		select {
		case <-changed:
		case <-timer.C:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (p *progress) settled(list []digest.Digest, failed bool) bool {
	done := true
	for _, d := range list {
		v := p.known[d]
		if v == nil {
			continue
		}
		if failed && v.failure != "" {
			return true
		}
		done = done && v.done
	}
	return done
}

// failure says what failed and why, where one of the vertices did.
func (p *progress) failure(list []digest.Digest) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range list {
		if v := p.known[d]; v != nil && v.failure != "" {
			return v.name + ": " + plainText(v.failure)
		}
	}
	return ""
}

// cached reports whether none of the vertices had to be run.
func (p *progress) cached(list []digest.Digest) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range list {
		if v := p.known[d]; v == nil || !v.cached {
			return false
		}
	}
	return true
}
