package null

import (
	"context"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// parkTime is how long a connection made to look at a machine is kept for the
// session that usually follows.
const parkTime = 10 * time.Second

// conn is a connection by SSH or WinRM.
type conn interface {
	Name() string     // "user@host:port"
	Identity() string // fingerprint of the machine's key or certificate
	Alive() bool
	Close() error
}

// way leads to a machine.
type way interface {
	// Connect connects to the machine, which must be the one of the identity
	// unless that is "".
	Connect(ctx context.Context, identity string) (conn, error)
	Dial(ctx context.Context) (net.Conn, error)
	Addr() string // "host:port"
	// Machine gives the machine what its builder connects by.
	Machine(m *present) machine.Machine
}

// place is a machine that is there.
type place struct {
	way

	mu     sync.Mutex
	parked conn
	timer  *time.Timer
}

// Resolve connects, which shows who the machine is and whether one can log in.
func (p *place) Resolve(ctx context.Context) (builders.Base, error) {
	c, err := p.take(ctx, "")
	if err != nil {
		return builders.Base{}, err
	}
	p.park(c)
	return builders.Base{ID: c.Identity() + " " + c.Name(), Name: c.Name()}, nil
}

// Exists reports whether the same machine answers at the artifact's address.
func (p *place) Exists(ctx context.Context, a artifact.Artifact) (bool, error) {
	if len(a.Places) == 0 || a.Places[0].Name != p.Addr() {
		return false, nil
	}
	c, err := p.take(ctx, "")
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		return false, nil // nothing answers, or another machine does
	}
	p.park(c)
	return c.Identity() == a.Places[0].ID, nil
}

// Launch launches nothing: the machine is there.
func (p *place) Launch(_ context.Context, base builders.Base, _ builders.Env) (machine.Machine, error) {
	identity, _, _ := strings.Cut(base.ID, " ")
	return p.Machine(&present{place: p, identity: identity}), nil
}

// take returns the parked connection, or a new one.
func (p *place) take(ctx context.Context, identity string) (conn, error) {
	p.mu.Lock()
	c := p.parked
	if p.parked = nil; p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	if c != nil && c.Alive() && (identity == "" || c.Identity() == identity) {
		return c, nil
	}
	if c != nil {
		c.Close()
	}
	return p.Connect(ctx, identity)
}

// park keeps a connection for a while.
func (p *place) park(c conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.parked != nil {
		p.parked.Close()
	}
	p.parked = c
	p.timer = time.AfterFunc(parkTime, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.parked == c {
			p.parked = nil
			c.Close()
		}
	})
}

// present is the machine in a session.
type present struct {
	stays
	place    *place
	identity string
}

func (m *present) Dial(ctx context.Context) (net.Conn, error) { return m.place.Dial(ctx) }

// Vars says where the machine is.
func (m *present) Vars() op.Values {
	host, port, _ := net.SplitHostPort(m.place.Addr())
	v := nowhere{}.Vars()
	v["build.Host"], v["build.Port"] = secret.Plain(host), secret.Plain(port)
	return v
}

// Capture makes no image: the machine as it is now is what was built.
func (m *present) Capture(ctx context.Context) (artifact.Artifact, error) {
	a, err := nowhere{}.Capture(ctx)
	a.Places = []artifact.Place{{Name: m.place.Addr(), ID: m.identity}}
	return a, err
}
