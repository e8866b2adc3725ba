package null

import (
	"context"
	"net"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/ssh"
)

// openSSH checks the options of a machine that is reached by SSH.
func (c *Config) openSSH(h builders.Host) (builders.Builder, error) {
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
	return inPlace{machine.Builder(&place{way: sshWay{client}}, client)}, nil
}

// sshWay leads to a machine by SSH.
type sshWay struct{ client *ssh.Client }

// Connect logs in.
func (w sshWay) Connect(ctx context.Context, hostKey string) (conn, error) {
	target := w.client.Target()
	target.HostKey = hostKey
	c, err := w.client.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	return sshConn{c}, nil
}

func (w sshWay) Dial(ctx context.Context) (net.Conn, error) { return w.client.Target().Dial(ctx) }

// Addr is where the server listens.
func (w sshWay) Addr() string { return w.client.Addr() }

// Machine is a machine that takes over connections of the place.
func (w sshWay) Machine(m *present) machine.Machine { return sshPresent{m} }

type sshPresent struct{ *present }

// Connect takes over the connection of Resolve.
func (m sshPresent) Connect(ctx context.Context, _ *ssh.Client) (*ssh.Conn, error) {
	c, err := m.place.take(ctx, m.identity)
	if err != nil {
		return nil, err
	}
	return c.(sshConn).Conn, nil
}

type sshConn struct{ *ssh.Conn }

// Name is the target's.
func (c sshConn) Name() string { return c.Target().Name }

// Identity is the fingerprint of the host key.
func (c sshConn) Identity() string { return c.HostKey() }
