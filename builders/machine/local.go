package machine

import (
	"context"
	"errors"
	"fmt"

	"github.com/ingot-build/ingot/internal/localexec"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/ssh/proxy"
)

// local runs a command of this host, and gives it the way to the machine where
// it works on that.
func (s *session) local(ctx context.Context, o *op.Local) error {
	if o.Connection == nil {
		return localexec.Run(ctx, o, s.log.Output)
	}
	if s.windows != nil {
		bound, err := s.windows.Bind(o)
		if err != nil {
			return err
		}
		return localexec.Run(ctx, bound, s.log.Output)
	}
	if s.conn == nil {
		return errors.New(`it needs a machine, and communicator is "none"`)
	}
	way, err := s.way(o.Connection)
	if err == nil {
		return localexec.Run(ctx, way.Bind(o), s.log.Output)
	}
	if o.Connection.Route != op.RouteProxy {
		s.log.Say(fmt.Sprintf("Going through the connection of the build, by a proxy on this host: %v", err))
	}
	p, err := proxy.Start(o.Connection.Proxy, s.conn.OpenSession)
	if err != nil {
		return err
	}
	defer p.Close()
	way = p.Way()
	way.User = s.conn.User()
	return localexec.Run(ctx, way.Bind(o), s.log.Output)
}

// way returns the way that a program goes by itself; the error says why it is
// to take the proxy.
func (s *session) way(c *op.Connection) (ssh.Way, error) {
	name := s.Vars()["build.Host"].Reveal()
	switch {
	case c.Route == op.RouteProxy:
		return ssh.Way{}, errors.New("it is asked for")
	case c.Route == op.RouteDirect:
		return s.conn.Own(name), nil
	case c.User != "" && c.User != s.conn.User():
		return ssh.Way{}, fmt.Errorf("the login is %s, not %s", s.conn.User(), c.User)
	}
	return s.conn.Direct(name)
}
