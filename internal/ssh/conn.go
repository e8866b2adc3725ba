package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"sync/atomic"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/ingot-build/ingot/internal/transport"
)

// openTries is how often a new connection is made because the one before was
// gone when a command was to be started on it.
const openTries = 3

// Conn is a connection to one machine, which is made again when it was lost.
// Its methods may be called from several goroutines.
type Conn struct {
	client  *Client
	target  Target
	pin     *pin
	tunnels []net.Listener
	leads   atomic.Bool // see leader

	mu     sync.Mutex
	live   *link // nil before the first and after Close
	closed bool
}

// HostKey returns the fingerprint of the machine's host key.
func (c *Conn) HostKey() string { return c.pin.seen() }

// User returns who is logged in.
func (c *Conn) User() string { return c.client.User() }

// Target returns the machine.
func (c *Conn) Target() Target { return c.target }

// Alive reports whether the connection stands, as far as is known.
func (c *Conn) Alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.live != nil && !c.live.dead()
}

// Close ends the connection.
func (c *Conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for _, t := range c.tunnels {
		t.Close()
	}
	c.tunnels = nil
	if c.live != nil {
		c.live.Close()
		c.live = nil
	}
	return nil
}

func (l *link) dead() bool {
	select {
	case <-l.gone:
		return true
	default:
		return false
	}
}

// use makes l the connection that commands run over.
func (c *Conn) use(l *link) error {
	if c.client.config.AgentForwarding {
		if err := forwardAgent(l); err != nil {
			l.Close()
			return err
		}
	}
	if err := c.client.remoteTunnels(l); err != nil {
		l.Close()
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		l.Close()
		return net.ErrClosed
	}
	c.live = l
	return nil
}

func forwardAgent(l *link) error {
	conn, err := dialAgent()
	if err != nil {
		return err
	}
	go func() {
		<-l.gone
		conn.Close()
	}()
	return agent.ForwardToAgent(l.Client, agent.NewClient(conn))
}

// current returns the connection, nil when it is gone.
func (c *Conn) current() (*link, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, c.client.fail(c.target, net.ErrClosed)
	}
	if c.live == nil || c.live.dead() {
		return nil, nil
	}
	return c.live, nil
}

// reconnect makes a new connection. Logins that are refused are tried again:
// this one was accepted before, and a machine that starts refuses all.
func (c *Conn) reconnect(ctx context.Context, lim limits) (*link, error) {
	lim.attempts, lim.closed = 0, lim.timeout
	l, err := c.client.connect(ctx, c.target, c.pin, lim)
	if err != nil {
		return nil, err
	}
	if err := c.use(l); err != nil {
		return nil, c.client.fail(c.target, err)
	}
	return l, nil
}

// open opens a session, over a new connection where the old one is gone.
func (c *Conn) open(ctx context.Context, lim limits) (*session, error) {
	l, ch, reqs, err := c.channel(ctx, lim)
	if err != nil {
		return nil, err
	}
	if c.client.config.AgentForwarding {
		_, err = ch.SendRequest("auth-agent-req@openssh.com", false, nil)
	}
	return newSession(l, ch, reqs), err
}

// OpenSession opens a session for somebody who speaks SSH himself, over a new
// connection where the old one is gone. It goes on after ctx ended.
func (c *Conn) OpenSession(ctx context.Context) (gossh.Channel, <-chan *gossh.Request, error) {
	_, ch, reqs, err := c.channel(ctx, c.client.limits(Target{}))
	return ch, reqs, err
}

func (c *Conn) channel(ctx context.Context, lim limits) (*link, gossh.Channel, <-chan *gossh.Request, error) {
	var err error
	for range openTries {
		var l *link
		if l, err = c.current(); err != nil {
			return nil, nil, nil, err
		}
		if l == nil {
			if l, err = c.reconnect(ctx, lim); err != nil {
				return nil, nil, nil, err
			}
		}
		var ch gossh.Channel
		var reqs <-chan *gossh.Request
		if ch, reqs, err = l.session(ctx); err == nil {
			return l, ch, reqs, nil
		}
		if ctx.Err() != nil {
			return nil, nil, nil, ctx.Err()
		}
		var refused *gossh.OpenChannelError
		if errors.As(err, &refused) {
			return nil, nil, nil, c.client.fail(c.target, fmt.Errorf("open a session: %s", refused.Message))
		}
		l.Close()
		<-l.gone
	}
	return nil, nil, nil, c.client.fail(c.target, fmt.Errorf("open a session: %w: %w", transport.ErrLost, err))
}

// session opens a session on the connection.
func (l *link) session(ctx context.Context) (gossh.Channel, <-chan *gossh.Request, error) {
	type opened struct {
		ch   gossh.Channel
		reqs <-chan *gossh.Request
		err  error
	}
	result := make(chan opened, 1)
	go func() {
		ch, reqs, err := l.OpenChannel("session", nil)
		result <- opened{ch, reqs, err}
	}()
	select {
	case o := <-result:
		return o.ch, o.reqs, o.err
	case <-l.gone:
		// The library waits for ever for a channel that is asked for while
		// the connection ends.
		return nil, nil, io.EOF
	case <-ctx.Done():
		go func() {
			if o := <-result; o.err == nil {
				go gossh.DiscardRequests(o.reqs)
				o.ch.Close()
			}
		}()
		return nil, nil, ctx.Err()
	}
}
