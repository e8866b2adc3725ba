package ssh

import (
	"fmt"
	"io"
	"net"
	"strconv"
	"sync"
)

// openTunnels listens at the ports of this host that lead to the machine's
// side. They stay open while the machine is connected to again.
func (c *Conn) openTunnels() error {
	for _, t := range c.client.local {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(t.port))
		listener, err := net.Listen("tcp", addr)
		if err != nil {
			for _, open := range c.tunnels {
				open.Close()
			}
			c.tunnels = nil
			return fmt.Errorf("ssh_local_tunnels: %w", err)
		}
		c.tunnels = append(c.tunnels, listener)
		go serve(listener, func() (net.Conn, error) {
			l, err := c.current()
			if err != nil || l == nil {
				return nil, net.ErrClosed
			}
			return l.Dial("tcp", t.to)
		})
	}
	return nil
}

// remoteTunnels makes the machine listen at the ports that lead to this side.
func (c *Client) remoteTunnels(l *link) error {
	for _, t := range c.remote {
		listener, err := l.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(t.port)))
		if err != nil {
			return fmt.Errorf("ssh_remote_tunnels: listen at port %d of the machine: %w", t.port, err)
		}
		go serve(listener, func() (net.Conn, error) { return net.Dial("tcp", t.to) })
	}
	return nil
}

// serve joins each connection that comes in with one that dial makes.
func serve(listener net.Listener, dial func() (net.Conn, error)) {
	for {
		in, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := dial()
			if err != nil {
				return // who connected sees a closed connection
			}
			defer out.Close()
			join(in, out)
		}()
	}
}

// join copies both ways until both have ended.
func join(a, b net.Conn) {
	var both sync.WaitGroup
	both.Go(func() { oneWay(a, b) })
	both.Go(func() { oneWay(b, a) })
	both.Wait()
}

func oneWay(dst, src net.Conn) {
	_, _ = io.Copy(dst, src)
	if half, ok := dst.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
		return
	}
	dst.Close()
}
