package null

import (
	"context"
	"net"
	"strconv"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/winrm"
)

// openWindows checks the options of a machine that is reached by WinRM.
func (c *Config) openWindows(h builders.Host) (builders.Builder, error) {
	if c.WinRMHost == "" {
		e := component.Errorf("winrm_host", "is missing")
		e.Advice = "name the machine"
		return nil, e
	}
	client, err := c.WinRMClient(c.PauseBeforeConnecting)
	if err != nil {
		return nil, err
	}
	if client.Password() == "" {
		return nil, component.Errorf("winrm_password", "is missing")
	}
	h.Secrets.Add(client.Password())
	return inPlace{machine.Windows(&place{way: winrmWay{client}}, client)}, nil
}

// winrmWay leads to a machine by WinRM.
type winrmWay struct{ client *winrm.Client }

// Connect logs in.
func (w winrmWay) Connect(ctx context.Context, certificate string) (conn, error) {
	target := w.client.Target()
	target.Certificate = certificate
	c, err := w.client.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	return winrmConn{c}, nil
}

func (w winrmWay) Dial(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", w.Addr())
}

// Addr is where the service listens.
func (w winrmWay) Addr() string {
	return net.JoinHostPort(w.client.Host(), strconv.Itoa(w.client.Port()))
}

// Machine is a machine that takes over connections of the place.
func (w winrmWay) Machine(m *present) machine.Machine { return winrmPresent{m} }

type winrmPresent struct{ *present }

// ConnectWinRM takes over the connection of Resolve.
func (m winrmPresent) ConnectWinRM(ctx context.Context, _ *winrm.Client) (*winrm.Conn, error) {
	c, err := m.place.take(ctx, m.identity)
	if err != nil {
		return nil, err
	}
	return c.(winrmConn).Conn, nil
}

type winrmConn struct{ *winrm.Conn }

// Identity is the certificate's fingerprint.
func (c winrmConn) Identity() string { return c.Certificate() }

// Alive is true: each request may have a connection of its own.
func (winrmConn) Alive() bool { return true }
