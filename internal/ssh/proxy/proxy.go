// Package proxy is an SSH server on the loopback of this host, which passes
// sessions on to a machine: so programs that speak only SSH work over a
// connection that is there already.
package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"

	gossh "golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/ssh"
)

// Opener opens a session on the machine.
type Opener func(ctx context.Context) (gossh.Channel, <-chan *gossh.Request, error)

// Proxy is a running server.
type Proxy struct {
	open     Opener
	sftp     string
	config   *gossh.ServerConfig
	listener net.Listener
	way      ssh.Way

	ctx  context.Context
	stop context.CancelFunc
	work sync.WaitGroup
}

// triedPorts is how many ports are tried from the one that is asked for.
const triedPorts = 10

// Start starts a server. Only who has the key of its Way can log in. The
// caller stops it by Close.
func Start(o op.Proxy, open Opener) (*Proxy, error) {
	p := &Proxy{open: open, sftp: o.SFTPCommand, config: &gossh.ServerConfig{}}
	hostKey, err := hostSigner(o)
	if err != nil {
		return nil, err
	}
	p.config.AddHostKey(hostKey)
	allowed, private, err := login(o)
	if err != nil {
		return nil, err
	}
	p.config.PublicKeyCallback = func(_ gossh.ConnMetadata, key gossh.PublicKey) (*gossh.Permissions, error) {
		if !bytes.Equal(key.Marshal(), allowed) {
			return nil, errors.New("another key")
		}
		return nil, nil
	}
	if p.listener, err = listen(o.Port); err != nil {
		return nil, fmt.Errorf("listen for the connections of the SSH proxy: %w", err)
	}
	p.way = ssh.Way{
		Host: "127.0.0.1", Port: strconv.Itoa(p.listener.Addr().(*net.TCPAddr).Port),
		Key: private, HostKey: string(gossh.MarshalAuthorizedKey(hostKey.PublicKey())),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.work.Go(p.accept)
	return p, nil
}

// Way is how ssh gets to the machine through the server. It has no user: all
// that log in are the machine's login.
func (p *Proxy) Way() ssh.Way { return p.way }

// Close ends the server and all connections to it.
func (p *Proxy) Close() error {
	p.stop()
	err := p.listener.Close()
	p.work.Wait()
	return err
}

func listen(port int) (net.Listener, error) {
	var l net.Listener
	var err error
	for n := port; n < port+triedPorts; n++ {
		if l, err = net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n))); err == nil {
			return l, nil
		}
	}
	return nil, err
}

func hostSigner(o op.Proxy) (gossh.Signer, error) {
	if o.HostKeyFile != "" {
		text, err := os.ReadFile(o.HostKeyFile)
		if err != nil {
			return nil, err
		}
		s, err := gossh.ParsePrivateKey(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %s", o.HostKeyFile, strings.TrimPrefix(err.Error(), "ssh: "))
		}
		return s, nil
	}
	k, err := newKey(o)
	if err != nil {
		return nil, err
	}
	return gossh.ParsePrivateKey([]byte(k.Private))
}

// login returns the public key that may log in, and its private key where it
// was made.
func login(o op.Proxy) (allowed []byte, private string, err error) {
	var line []byte
	if o.AuthorizedKeyFile != "" {
		line, err = os.ReadFile(o.AuthorizedKeyFile)
	} else {
		var k ssh.Key
		k, err = newKey(o)
		line, private = []byte(k.Authorized), k.Private
	}
	if err != nil {
		return nil, "", err
	}
	key, _, _, _, err := gossh.ParseAuthorizedKey(line)
	if err != nil {
		return nil, "", fmt.Errorf("%s is not a public key", o.AuthorizedKeyFile)
	}
	return key.Marshal(), private, nil
}

func newKey(o op.Proxy) (ssh.Key, error) {
	kind := o.KeyType
	if kind == "" {
		kind = "ecdsa"
	}
	return ssh.KeyPair{TemporaryKeyPairType: kind}.NewKey("")
}

func (p *Proxy) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.serve(conn) })
	}
}

func (p *Proxy) serve(conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(p.ctx, func() { conn.Close() })
	defer stop()
	server, channels, requests, err := gossh.NewServerConn(conn, p.config)
	if err != nil {
		return // the client says why
	}
	defer server.Close()
	go gossh.DiscardRequests(requests)
	var sessions sync.WaitGroup
	for asked := range channels {
		if asked.ChannelType() != "session" {
			_ = asked.Reject(gossh.UnknownChannelType, "only sessions are passed on")
			continue
		}
		sessions.Go(func() { p.pass(asked) })
	}
	sessions.Wait()
}
