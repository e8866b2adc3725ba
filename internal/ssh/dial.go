package ssh

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/net/proxy"
)

const (
	dialTimeout      = 15 * time.Second // for one try to reach a port
	handshakeTimeout = time.Minute      // for one try to log in; a busy server is slow
)

// Client connects with checked options. Make one with Config.Client.
type Client struct {
	// Ask asks the user, for ssh_bastion_interactive. Nil asks on the terminal.
	Ask func(question string, echo bool) (string, error)

	config         Config
	pinned         hostKey
	login, bastion login
	local, remote  []tunnel

	bastionPin pin
}

// Addr returns the machine's "host:port" as configured.
func (c *Client) Addr() string {
	return net.JoinHostPort(c.config.Host, strconv.Itoa(c.config.Port))
}

// User returns who logs in.
func (c *Client) User() string { return c.login.user }

// PrivateKey returns the private key to log in with, as in its file, and its
// public key as a line. Both are empty where no key file is configured.
func (c *Client) PrivateKey() (private, public string) {
	if len(c.login.signers) == 0 {
		return "", ""
	}
	key := c.login.signers[len(c.login.signers)-1].PublicKey()
	return string(c.login.privateKey), strings.TrimSpace(string(gossh.MarshalAuthorizedKey(key)))
}

// KeyFile is the file of the private key as the options name it, "" for none.
func (c *Client) KeyFile() string { return c.config.PrivateKeyFile }

// AgentAuth reports whether the agent's keys are logged in with.
func (c *Client) AgentAuth() bool { return c.config.AgentAuth }

// ClearsAuthorizedKeys reports whether the key made for the build is to be
// removed from the machine before the image is made.
func (c *Client) ClearsAuthorizedKeys() bool { return c.config.ClearAuthorizedKeys }

// Password returns the password to log in with.
func (c *Client) Password() string { return c.login.password }

// Secrets returns the configured values that must not be shown.
func (c *Client) Secrets() []string {
	var list []string
	for _, s := range []string{
		c.login.password, string(c.login.privateKey), c.config.BastionPassword.Reveal(),
		string(c.bastion.privateKey), c.config.ProxyPassword.Reveal(),
	} {
		if s != "" {
			list = append(list, s)
		}
	}
	return list
}

// Dial connects to addr ("host:port") the way that is configured: directly,
// through the bastion or through the proxy.
func (c *Client) Dial(ctx context.Context, addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	direct := &net.Dialer{}
	switch {
	case c.config.ProxyHost != "":
		return c.dialProxy(ctx, direct, addr)
	case c.config.BastionHost != "":
		return c.dialBastion(ctx, direct, addr)
	}
	return direct.DialContext(ctx, "tcp", addr)
}

func (c *Client) dialProxy(ctx context.Context, direct *net.Dialer, addr string) (net.Conn, error) {
	via := net.JoinHostPort(c.config.ProxyHost, strconv.Itoa(c.config.ProxyPort))
	var auth *proxy.Auth
	if c.config.ProxyUsername != "" {
		auth = &proxy.Auth{User: c.config.ProxyUsername, Password: c.config.ProxyPassword.Reveal()}
	}
	d, err := proxy.SOCKS5("tcp", via, auth, direct)
	if err != nil {
		return nil, err
	}
	conn, err := d.(proxy.ContextDialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("through the proxy %s: %w", via, err)
	}
	return conn, nil
}

// jump is a connection through a bastion, which ends with it.
type jump struct {
	net.Conn
	bastion *gossh.Client
}

// Close ends both at once: a word to a bastion that is gone could block.
func (j *jump) Close() error { return j.bastion.Close() }

func (c *Client) dialBastion(ctx context.Context, direct *net.Dialer, addr string) (net.Conn, error) {
	via := net.JoinHostPort(c.config.BastionHost, strconv.Itoa(c.config.BastionPort))
	name := c.bastion.user + "@" + via
	conn, err := direct.DialContext(ctx, "tcp", via)
	if err != nil {
		return nil, fmt.Errorf("through the bastion %s: %w", name, err)
	}
	client, err := c.handshake(ctx, conn, c.bastion, &c.bastionPin)
	if err != nil {
		return nil, fmt.Errorf("through the bastion %s: %w", name, err)
	}
	inner, err := client.DialContext(ctx, "tcp", addr)
	if err != nil {
		client.Close()
		return nil, fmt.Errorf("through the bastion %s: %w", name, err)
	}
	return &jump{Conn: inner, bastion: client}, nil
}

// handshake logs in over conn, which it closes when that fails.
func (c *Client) handshake(ctx context.Context, conn net.Conn, l login, p *pin) (*gossh.Client, error) {
	ask := c.Ask
	if ask == nil {
		ask = askTerminal
	}
	methods, done, err := l.methods(ask)
	if err != nil {
		conn.Close()
		return nil, err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	algorithms := p.algorithms()
	sc, chans, reqs, err := gossh.NewClientConn(conn, "", &gossh.ClientConfig{
		Config: gossh.Config{Ciphers: c.ciphers(), KeyExchanges: c.config.KeyExchangeAlgorithms},
		User:   l.user, Auth: methods,
		HostKeyCallback: p.check, HostKeyAlgorithms: algorithms,
		ClientVersion: "SSH-2.0-ingot",
	})
	if err == nil {
		return gossh.NewClient(sc, chans, acknowledge(sc, reqs)), nil
	}
	if inner := errors.Unwrap(err); inner != nil {
		err = inner // without "ssh: handshake failed"
	}
	var algo *gossh.AlgorithmNegotiationError
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case errors.Is(err, errOtherKind) && len(p.algorithms()) == 0,
		errors.As(err, &algo) && len(algorithms) < allAlgorithms() && strings.Contains(err.Error(), "host key"):
		return nil, p.mismatch()
	case refusedLogin(err):
		return nil, &loginError{login: l, err: err}
	}
	return nil, err
}

// refusedLogin reports whether the server answered that one may not log in.
// The library has no type for it, and calls a keyboard-interactive login that
// is refused without a question (51 in place of 60) unexpected.
func refusedLogin(err error) bool {
	text := err.Error()
	return strings.Contains(text, "unable to authenticate") || strings.Contains(text, "unexpected message type 51 (expected 60)")
}

func allAlgorithms() int { return len((&pin{}).algorithms()) }

// ciphers puts AES-GCM first: it is the fastest with the instructions that all
// usual processors have.
func (c *Client) ciphers() []string {
	if len(c.config.Ciphers) > 0 {
		return c.config.Ciphers
	}
	return []string{
		gossh.CipherAES128GCM, gossh.CipherAES256GCM, gossh.CipherChaCha20Poly1305,
		gossh.CipherAES128CTR, gossh.CipherAES192CTR, gossh.CipherAES256CTR,
	}
}

// pulse is a connection that knows when it was last read from.
type pulse struct {
	net.Conn
	read atomic.Int64 // Unix nanoseconds
}

func (p *pulse) Read(b []byte) (int, error) {
	n, err := p.Conn.Read(b)
	if n > 0 {
		p.read.Store(time.Now().UnixNano())
	}
	return n, err
}

// idle returns for how long nothing was read.
func (p *pulse) idle() time.Duration { return time.Since(time.Unix(0, p.read.Load())) }
