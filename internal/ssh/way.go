package ssh

import (
	"errors"
	"net"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/transport"
)

// Way is how the ssh of this host gets to a machine.
type Way struct {
	Host, Port, User string
	Key              string   // private key as OpenSSH writes it; "" where ssh has one itself
	Certificate      string   // of the key, as a line; "" is none
	HostKey          string   // of the machine, as a line of authorized_keys
	Names            []string // further addresses ("host:port") that the host key is known by
}

// Direct is the way over a connection of its own, as the login. The error says
// why there is none. Name is the machine's name or address, "" for the address
// that it was reached at.
func (c *Conn) Direct(name string) (Way, error) {
	l, err := c.current()
	if err != nil {
		return Way{}, err
	}
	config := c.client.config
	switch {
	case config.BastionHost != "":
		return Way{}, errors.New("the machine is behind a bastion")
	case config.ProxyHost != "":
		return Way{}, errors.New("the machine is behind a SOCKS proxy")
	case l == nil:
		return Way{}, transport.ErrLost
	case l.addr == "":
		return Way{}, errors.New("the machine is reached through a tunnel")
	case len(c.client.login.privateKey) == 0:
		return Way{}, errors.New("the login is without a key file")
	}
	w := c.way(name, l.addr)
	w.Key = string(c.client.login.privateKey)
	for _, s := range c.client.login.signers {
		if cert, ok := s.PublicKey().(*gossh.Certificate); ok {
			w.Certificate = string(gossh.MarshalAuthorizedKey(cert))
		}
	}
	return w, nil
}

// Own is the way of somebody who knows himself how to get to the machine and
// log in. It has the login's key, where there is one.
func (c *Conn) Own(name string) Way {
	addr := c.client.Addr()
	if l, err := c.current(); err == nil && l != nil && l.addr != "" {
		addr = l.addr
	}
	w := c.way(name, addr)
	w.Key = string(c.client.login.privateKey)
	return w
}

func (c *Conn) way(name, addr string) Way {
	host, port, _ := net.SplitHostPort(addr)
	if name == "" {
		name = host
	}
	w := Way{Host: name, Port: port, User: c.client.User(), Names: []string{addr}}
	if key := c.pin.known(); key != nil {
		w.HostKey = string(gossh.MarshalAuthorizedKey(key))
	}
	return w
}

// Files of a Way in the folder of a Local.
const (
	keyName   = "/ssh/key"
	knownName = "/ssh/known_hosts"
)

// Bind returns a Local with the tokens of its connection replaced, and with the
// files that they name among its inputs.
func (w Way) Bind(o *op.Local) *op.Local {
	dir := op.Token(op.LocalDir)
	user := w.User
	if o.Connection != nil && o.Connection.User != "" {
		user = o.Connection.User
	}
	values := op.Values{
		op.ConnHost: secret.Plain(w.Host), op.ConnPort: secret.Plain(w.Port), op.ConnUser: secret.Plain(user),
		op.ConnKey: secret.Plain(""), op.ConnKnownHosts: secret.Plain(dir + knownName),
	}
	bound := *o
	bound.Inputs = append(slices.Clone(o.Inputs), private(dir+knownName, secret.Plain(w.knownHosts())))
	if w.Key != "" {
		values[op.ConnKey] = secret.Plain(dir + keyName)
		bound.Inputs = append(bound.Inputs, private(dir+keyName, secret.Sensitive(strings.TrimRight(w.Key, "\n")+"\n")))
	}
	if w.Certificate != "" {
		bound.Inputs = append(bound.Inputs, private(dir+keyName+"-cert.pub", secret.Plain(w.Certificate)))
	}
	return op.Bind([]op.Op{&bound}, values)[0].(*op.Local)
}

func private(path string, text secret.String) op.File {
	return op.File{Path: path, Mode: 0o600, Blob: op.Text(text)}
}

// knownHosts is the text of a known_hosts file.
func (w Way) knownHosts() string {
	if w.HostKey == "" {
		return ""
	}
	var names []string
	for _, addr := range append([]string{net.JoinHostPort(w.Host, w.Port)}, w.Names...) {
		if name := knownhosts.Normalize(addr); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",") + " " + strings.TrimSpace(w.HostKey) + "\n"
}

// Tunnelled marks a connection that leads to the machine by way of a program of
// this host: nobody else can get to the machine at its address.
func Tunnelled(conn net.Conn) net.Conn { return tunnelled{conn} }

type tunnelled struct{ net.Conn }
