package google

import (
	"context"
	"errors"
	"net"
	"strconv"
	"syscall"
	"time"

	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/ssh"
)

const (
	dialPause = 100 * time.Millisecond // while nothing listens yet
	dialTry   = 2 * time.Second        // for one try: packets to a machine that boots are lost
)

// Dial connects to the instance's SSH server. Right after the boot nothing
// answers for a while: it is tried again at short intervals.
func (m *instance) Dial(ctx context.Context) (net.Conn, error) {
	for {
		conn, err := m.dialOnce(ctx)
		if err == nil || ctx.Err() != nil || !notYet(err) || m.BastionHost != "" || m.ProxyHost != "" {
			return conn, err
		}
		if pause.For(ctx, dialPause) != nil {
			return nil, err
		}
	}
}

func (m *instance) dialOnce(ctx context.Context) (net.Conn, error) {
	switch {
	case m.UseIAP && m.viaGcloud():
		return m.dialGcloud(ctx)
	case m.UseIAP:
		return m.api.Tunnel(ctx, gcp.TunnelTo{Project: m.ProjectID, Zone: m.Zone, Instance: m.name, Interface: "nic0", Port: m.door()})
	case m.ssh == nil:
		var d net.Dialer
		return d.DialContext(ctx, "tcp", net.JoinHostPort(m.target(), strconv.Itoa(m.door())))
	case m.BastionHost == "" && m.ProxyHost == "":
		try, cancel := context.WithTimeout(ctx, dialTry)
		defer cancel()
		ctx = try
	}
	return m.ssh.Dial(ctx, net.JoinHostPort(m.target(), strconv.Itoa(m.Port)))
}

// notYet reports whether nothing listens at the port, or nothing answers.
func notYet(err error) bool {
	var timeout net.Error
	var proxy *gcp.TunnelError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &timeout) && timeout.Timeout() ||
		errors.As(err, &proxy) && proxy.Unreachable()
}

// Connect logs in with the key that was made, and shows the instance's console
// where that is not possible.
func (m *instance) Connect(ctx context.Context, client *ssh.Client) (*ssh.Conn, error) {
	client, err := m.keyed(client)
	if err != nil {
		return nil, err
	}
	name := net.JoinHostPort(m.target(), strconv.Itoa(m.Port))
	if m.UseIAP {
		name = m.name
	}
	trying, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	m.conn, err = client.Connect(trying, ssh.Target{Name: m.user + "@" + name, Dial: func(ctx context.Context) (net.Conn, error) {
		conn, err := m.Dial(ctx)
		var refused *gcp.TunnelError
		if errors.As(err, &refused) && refused.Final() {
			stop(err)
		}
		return conn, err
	}})
	if err == nil || ctx.Err() != nil {
		return m.conn, err
	}
	if trying.Err() != nil {
		return nil, context.Cause(trying)
	}
	look, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	return nil, m.explainConnect(look, err)
}

// keyed returns the client with the key, and the user of the OS Login profile.
func (m *instance) keyed(client *ssh.Client) (*ssh.Client, error) {
	if m.user != client.User() {
		s := m.Config.Config
		s.Username = m.user
		var err error
		if client, err = s.Unkeyed(m.launch.host.Dir); err != nil {
			return nil, err
		}
	}
	if m.key.Private != "" {
		client = client.WithKey(m.key)
	}
	return client.Pinned(m.hostKey), nil
}
