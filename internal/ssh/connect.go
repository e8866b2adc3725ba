package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"syscall"
	"time"

	gossh "golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/transport"
)

const (
	firstWait   = 50 * time.Millisecond
	longestWait = 2 * time.Second
	busyWait    = 500 * time.Millisecond // longest, where the server is there but busy

	usualTimeout  = 5 * time.Minute
	closedTimeout = 5 * time.Second // how long a port may be closed on a machine that is there
	usualAttempts = 10
)

// Target is a machine to connect to.
type Target struct {
	Name string // "user@host:port", in messages
	Dial func(ctx context.Context) (net.Conn, error)

	// HostKey is the fingerprint that the machine must show. "" pins the one
	// that is seen first, where ssh_host_key is not set.
	HostKey string
	// Present says that the machine is known to be there already, so that a
	// closed port or a refused login is an answer and not a boot under way.
	Present bool
}

// Target returns the machine at ssh_host, as one that is there already.
func (c *Client) Target() Target {
	addr := c.Addr()
	return Target{
		Name: c.User() + "@" + addr, Present: true,
		Dial: func(ctx context.Context) (net.Conn, error) { return c.Dial(ctx, addr) },
	}
}

// Connect connects to a machine and logs in. It tries again, with growing
// waits, until ssh_timeout.
func (c *Client) Connect(ctx context.Context, t Target) (*Conn, error) {
	p := &pin{want: c.pinned}
	if p.want.fingerprint == "" && t.HostKey != "" {
		p.want = hostKey{fingerprint: t.HostKey}
	}
	if c.pinned.fingerprint != "" && t.HostKey != "" && t.HostKey != c.pinned.fingerprint {
		return nil, c.fail(t, &HostKeyError{Want: c.pinned.fingerprint, Got: t.HostKey})
	}
	conn := &Conn{client: c, target: t, pin: p}
	l, err := c.connect(ctx, t, p, c.limits(t))
	if err != nil {
		return nil, err
	}
	if gap := c.config.PauseBeforeConnecting; gap > 0 {
		l.Close()
		if err := pause.For(ctx, gap); err != nil {
			return nil, err
		}
		if l, err = c.connect(ctx, t, p, c.limits(t)); err != nil {
			return nil, err
		}
	}
	if err := conn.openTunnels(); err != nil {
		l.Close()
		return nil, c.fail(t, err)
	}
	if err := conn.use(l); err != nil {
		conn.Close()
		return nil, c.fail(t, err)
	}
	return conn, nil
}

// limits say when connecting gives up.
type limits struct {
	timeout  time.Duration
	closed   time.Duration // how long the port may be closed
	attempts int           // refused logins; 0 is any number
}

// patience is how long the port may be closed, given why it seems to be. One
// that does not answer may belong to a server with too much to do.
func (l limits) patience(err error) time.Duration {
	var netErr net.Error
	if errors.As(err, &netErr) && netErr.Timeout() {
		return l.closed + 2*dialTimeout
	}
	return l.closed
}

func (c *Client) limits(t Target) limits {
	l := limits{timeout: c.config.Timeout, attempts: c.config.HandshakeAttempts}
	if l.timeout == 0 {
		l.timeout = usualTimeout
	}
	l.closed = l.timeout
	if t.Present && c.config.Timeout == 0 {
		l.closed = closedTimeout
	}
	switch {
	case l.attempts > 0:
	case t.Present:
		l.attempts = 1
	default:
		l.attempts = usualAttempts
	}
	return l
}

// starting is limits for the start of a command.
func (c *Client) starting(e *op.Exec) limits {
	l := c.limits(Target{})
	if e.StartRetry > 0 {
		l.timeout = e.StartRetry
	}
	return l
}

// since says after how long, for people.
func since(start time.Time) time.Duration {
	d := time.Since(start)
	if d > time.Second {
		return d.Round(time.Second)
	}
	return d.Round(time.Millisecond)
}

func (c *Client) fail(t Target, err error) error {
	return &transport.Error{Target: t.Name, Err: err, Advice: hint(err)}
}

// connect is the loop: dial, log in, or wait and try again.
func (c *Client) connect(ctx context.Context, t Target, p *pin, lim limits) (*link, error) {
	start := time.Now()
	within, cancel := context.WithTimeout(ctx, lim.timeout)
	defer cancel()
	refused, closedSince, gap := 0, start, firstWait
	var last error
	for {
		l, dialled, err := c.try(within, t, p)
		if err == nil {
			return l, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if within.Err() != nil && last != nil {
			err = last // says more than that the time is over
		}
		last = err
		var login *loginError
		if errors.As(err, &login) {
			refused++
		}
		if dialled {
			closedSince = time.Now()
		}
		switch {
		case final(err), lim.attempts > 0 && refused >= lim.attempts:
			return nil, c.fail(t, err)
		case within.Err() != nil, time.Since(closedSince) > lim.patience(err):
			return nil, c.fail(t, fmt.Errorf("can't connect within %s: %w", since(start), err))
		case errors.Is(err, errOtherKind):
			continue
		}
		longest := longestWait
		if dialled && busy(err) {
			longest = busyWait
		}
		gap = min(gap*8/5, longest)
		if pause.For(within, gap/2+rand.N(gap)) != nil && ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// busy reports whether the server hung up before the login, as one does that
// has too many logins under way (MaxStartups).
func busy(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// try connects once. dialled says that something answered at the port.
func (c *Client) try(ctx context.Context, t Target, p *pin) (l *link, dialled bool, err error) {
	dctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := t.Dial(dctx)
	if err != nil {
		return nil, false, err
	}
	watched := &pulse{Conn: conn}
	watched.read.Store(time.Now().UnixNano())
	client, err := c.handshake(ctx, watched, c.login, p)
	if err != nil {
		return nil, true, err
	}
	l = &link{Client: client, gone: make(chan struct{})}
	if _, plain := conn.(*net.TCPConn); plain {
		l.addr = conn.RemoteAddr().String()
	}
	go func() {
		_ = client.Wait()
		close(l.gone)
	}()
	go c.keepAlive(l, watched)
	return l, true, nil
}

// link is one connection, logged in.
type link struct {
	*gossh.Client
	gone chan struct{} // closed when the connection has ended
	addr string        // "host:port" of the machine, "" where something is in between
}

// keepAlive asks the machine for a sign of life, and ends the connection when
// nothing came from it for too long.
func (c *Client) keepAlive(l *link, p *pulse) {
	every, limit := c.config.KeepAliveInterval, c.config.ReadWriteTimeout
	ask := every > 0
	if limit == 0 && ask {
		limit = max(3*every, 15*time.Second)
	}
	if limit == 0 {
		return
	}
	if !ask || every > limit/2 {
		every = limit / 2
	}
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-l.gone:
			return
		case <-tick.C:
		}
		if p.idle() > limit {
			l.Close()
			return
		}
		if ask && p.idle() >= every/2 {
			// The answer counts by being read: no need to wait for it here.
			go func() { _, _, _ = l.SendRequest("keepalive@openssh.com", true, nil) }()
		}
	}
}
