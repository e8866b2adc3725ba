// Package null is the builder of no image: it provisions a machine that is
// there already, over SSH or WinRM. ssh_host or winrm_host is needed, unless
// communicator is "none": then there is no machine, and only steps that run on
// this host are possible.
package null

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/winrm"
)

// Type is the name of the builder in a template.
const Type = "null"

// Definition lists the builder.
func Definition() builders.Definition {
	return builders.Definition{Type: Type, New: func() builders.Config { return &Config{Config: ssh.Defaults()} }}
}

// Config is a source of a machine that is there already. ssh_host is required,
// or winrm_host with communicator "winrm", unless communicator is "none".
type Config struct {
	ssh.Config
	winrm.Options
	ssh.NoKeyPair
}

// Open checks the options.
func (c *Config) Open(h builders.Host) (builders.Builder, error) {
	if err := c.CheckCommunicator(); err != nil {
		return nil, err
	}
	if c.ClearAuthorizedKeys {
		return nil, component.Errorf("ssh_clear_authorized_keys", "no temporary key was put on this machine, so that there is none to remove")
	}
	if c.Communicator == "winrm" {
		return c.openWindows(h)
	}
	if c.Communicator == "none" {
		return inPlace{machine.Builder(&place{}, nil)}, nil
	}
	if c.Host == "" {
		e := component.Errorf("ssh_host", "is missing")
		e.Advice = `name the machine, or set communicator = "none" to run steps on this host only`
		return nil, e
	}
	client, err := c.Client(h.Dir)
	if err != nil {
		return nil, err
	}
	for _, s := range client.Secrets() {
		h.Secrets.Add(s)
	}
	return inPlace{machine.Builder(&place{ssh: client}, client)}, nil
}

// inPlace says that the machine stays as the last build left it.
type inPlace struct{ builders.Builder }

func (inPlace) InPlace() {}

// NoImage says that there is none.
func (inPlace) NoImage() error {
	return errors.New("it makes no image: what its steps do stays where they do it")
}

// parkTime is how long a connection made to look at a machine is kept for the
// session that usually follows.
const parkTime = 10 * time.Second

// place is the machine, or no machine where ssh is nil.
type place struct {
	ssh *ssh.Client

	mu     sync.Mutex
	parked *ssh.Conn
	timer  *time.Timer
}

// Resolve connects, which shows the host key and whether one can log in.
func (p *place) Resolve(ctx context.Context) (builders.Base, error) {
	if p.ssh == nil {
		return builders.Base{ID: builders.NoMachine, Name: "no machine"}, nil
	}
	conn, err := p.take(ctx, "")
	if err != nil {
		return builders.Base{}, err
	}
	p.park(conn)
	name := conn.Target().Name
	return builders.Base{ID: conn.HostKey() + " " + name, Name: name}, nil
}

// Exists reports whether the machine with the same host key answers at the
// artifact's address.
func (p *place) Exists(ctx context.Context, a artifact.Artifact) (bool, error) {
	if p.ssh == nil || len(a.Places) == 0 || a.Places[0].Name != p.ssh.Addr() {
		return false, nil
	}
	conn, err := p.take(ctx, "")
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	if err != nil {
		return false, nil // nothing answers, or another machine does
	}
	p.park(conn)
	return conn.HostKey() == a.Places[0].ID, nil
}

// Launch launches nothing: the machine is there.
func (p *place) Launch(_ context.Context, base builders.Base, _ builders.Env) (machine.Machine, error) {
	key, _, _ := strings.Cut(base.ID, " ")
	return &present{place: p, hostKey: key}, nil
}

// take returns the parked connection, or a new one.
func (p *place) take(ctx context.Context, hostKey string) (*ssh.Conn, error) {
	p.mu.Lock()
	conn := p.parked
	if p.parked = nil; p.timer != nil {
		p.timer.Stop()
	}
	p.mu.Unlock()
	if conn != nil && conn.Alive() && (hostKey == "" || conn.HostKey() == hostKey) {
		return conn, nil
	}
	if conn != nil {
		conn.Close()
	}
	target := p.ssh.Target()
	target.HostKey = hostKey
	return p.ssh.Connect(ctx, target)
}

// park keeps a connection for a while.
func (p *place) park(conn *ssh.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.parked != nil {
		p.parked.Close()
	}
	p.parked = conn
	p.timer = time.AfterFunc(parkTime, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.parked == conn {
			p.parked = nil
			conn.Close()
		}
	})
}

// present is the machine in a session.
type present struct {
	place   *place
	hostKey string // fingerprint
}

// Connect takes over the connection of Resolve.
func (m *present) Connect(ctx context.Context, _ *ssh.Client) (*ssh.Conn, error) {
	return m.place.take(ctx, m.hostKey)
}

func (m *present) Dial(ctx context.Context) (net.Conn, error) {
	if m.place.ssh == nil {
		return nil, errors.New(`there is no machine: communicator is "none"`)
	}
	return m.place.ssh.Target().Dial(ctx)
}

// Vars says where the machine is.
func (m *present) Vars() op.Values {
	v := op.Values{"build.ID": secret.Plain("Null")}
	if m.place.ssh != nil {
		host, port, _ := net.SplitHostPort(m.place.ssh.Addr())
		v["build.Host"], v["build.Port"] = secret.Plain(host), secret.Plain(port)
	}
	return v
}

// Capture makes no image: the machine as it is now is what was built.
func (m *present) Capture(context.Context) (artifact.Artifact, error) {
	a := artifact.Artifact{Builder: Type, ID: "Null", Text: "Did not export anything. This is the null builder"}
	if c := m.place.ssh; c != nil {
		a.Places = []artifact.Place{{Name: c.Addr(), ID: m.hostKey}}
	}
	return a, nil
}

// Destroy leaves the machine alone.
func (m *present) Destroy(context.Context) error { return nil }
