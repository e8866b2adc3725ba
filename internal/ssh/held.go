package ssh

import (
	"fmt"
	"net"
	"strconv"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/hostfile"
)

// ReadKey reads a private key that NewKey made.
func ReadKey(private string) (Key, error) {
	signer, err := gossh.ParsePrivateKey([]byte(private))
	if err != nil {
		return Key{}, fmt.Errorf("the private key can't be read: %s", strings.TrimPrefix(err.Error(), "ssh: "))
	}
	line := strings.TrimSpace(string(gossh.MarshalAuthorizedKey(signer.PublicKey())))
	return Key{Private: private, Authorized: line, signer: signer}, nil
}

// Pinned returns a client of machines that must show the host key with this
// fingerprint. What ssh_host_key says goes before.
func (c *Client) Pinned(fingerprint string) *Client {
	pinned := &Client{Ask: c.Ask, config: c.config, pinned: c.pinned, login: c.login, bastion: c.bastion, local: c.local, remote: c.remote}
	if fingerprint != "" && c.pinned == (hostKey{}) {
		pinned.pinned = hostKey{fingerprint: fingerprint}
	}
	return pinned
}

// Login is how a person logs in to a machine.
type Login struct {
	Options    []string // of the ssh command, without those that name files
	To         string   // "user@host"
	Key        string   // private key, as OpenSSH writes it; "" where the person has what it takes
	KnownHosts string   // text of a file with the machine's host key
}

// Login returns how a person logs in to the machine at an address. Proxy is the
// command that leads there, "" for none but those of the options.
func (c *Conn) Login(host string, port int, proxy string) Login {
	return c.client.Login(c.Own(host), host, port, proxy)
}

// Login is a Conn's, for a machine that is reached in a way of its own, or was
// not reached yet.
func (c *Client) Login(way Way, host string, port int, proxy string) Login {
	config := c.config
	if proxy != "" {
		port = config.Port // what the build goes to may end with it
	}
	way.Host, way.Port = host, strconv.Itoa(port)
	l := Login{To: way.User + "@" + host, Key: way.Key, KnownHosts: way.knownHosts()}
	if config.PrivateKeyFile != "" {
		l.Key, l.Options = "", []string{"-i", hostfile.Path("", config.PrivateKeyFile)}
	}
	switch {
	case proxy != "":
		l.Options = append(l.Options, "-o", "ProxyCommand="+proxy)
	case config.BastionHost != "":
		l.Options = append(l.Options, "-J", c.bastion.user+"@"+net.JoinHostPort(config.BastionHost, strconv.Itoa(config.BastionPort)))
	case config.ProxyHost != "":
		l.Options = append(l.Options, "-o", "ProxyCommand=nc -X 5 -x "+net.JoinHostPort(config.ProxyHost, strconv.Itoa(config.ProxyPort))+" %h %p")
	}
	if port != 22 {
		l.Options = append(l.Options, "-p", strconv.Itoa(port))
	}
	return l
}
