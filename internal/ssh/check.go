package ssh

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/component"
)

// Client checks the options, reads the keys they name and returns what
// connects with them. It touches no network. Relative paths start at dir.
// Errors are *component.OptionError. Communicator must be "ssh".
func (c Config) Client(dir string) (*Client, error) {
	cl, err := c.Unkeyed(dir)
	if err == nil && !cl.HasLogin() {
		return nil, component.Errorf("", "there is nothing to log in with: set ssh_private_key_file, ssh_password or ssh_agent_auth")
	}
	return cl, err
}

// Unkeyed is Client for a machine that gets a key made for it, where the
// options have nothing to log in with: Client.WithKey adds it.
func (c Config) Unkeyed(dir string) (*Client, error) {
	if c.WaitTimeout != 0 {
		if c.Timeout != 0 && c.Timeout != c.WaitTimeout {
			return nil, component.Errorf("ssh_wait_timeout", "is another name for ssh_timeout, which is set to %s", c.Timeout)
		}
		c.Timeout = c.WaitTimeout
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	cl := &Client{config: c}
	var err error
	if cl.pinned, err = parseHostKey(c.HostKey); err != nil {
		return nil, err
	}
	if cl.login, err = c.machineLogin(dir); err != nil {
		return nil, err
	}
	if c.BastionHost != "" {
		if cl.bastion, err = c.bastionLogin(dir, cl.login); err != nil {
			return nil, err
		}
	}
	for _, t := range []struct {
		option string
		in     []string
		out    *[]tunnel
	}{{"ssh_local_tunnels", c.LocalTunnels, &cl.local}, {"ssh_remote_tunnels", c.RemoteTunnels, &cl.remote}} {
		for _, text := range t.in {
			tun, err := parseTunnel(text)
			if err != nil {
				return nil, component.Errorf(t.option, "%v", err)
			}
			*t.out = append(*t.out, tun)
		}
	}
	return cl, nil
}

// ConnType is the communicator.
func (c Config) ConnType() string { return c.Communicator }

// CheckCommunicator refuses communicators that ingot does not have.
func (c Config) CheckCommunicator() error {
	switch c.Communicator {
	case "ssh", "winrm", "none", "":
		return nil
	}
	return component.Errorf("communicator", "%q is not one of ssh, winrm, none", c.Communicator)
}

func (c Config) check() error {
	if c.Username == "" {
		return component.Errorf("ssh_username", "is missing")
	}
	ports := []struct {
		option string
		port   int
	}{{"ssh_port", c.Port}, {"ssh_bastion_port", c.BastionPort}, {"ssh_proxy_port", c.ProxyPort}}
	for _, p := range ports {
		if p.port < 1 || p.port > 65535 {
			return component.Errorf(p.option, "%d is not a port: it must be between 1 and 65535", p.port)
		}
	}
	if c.BastionHost != "" && c.ProxyHost != "" {
		return component.Errorf("ssh_proxy_host", "can't be set together with ssh_bastion_host: go through one of them")
	}
	if c.AgentForwarding && c.DisableAgentForwarding {
		return component.Errorf("ssh_agent_forwarding", "is set together with ssh_disable_agent_forwarding")
	}
	if c.HandshakeAttempts < 0 {
		return component.Errorf("ssh_handshake_attempts", "must not be negative")
	}
	if c.Timeout < 0 {
		return component.Errorf("ssh_timeout", "must not be negative")
	}
	if c.FileTransferMethod != "" && c.FileTransferMethod != "scp" && c.FileTransferMethod != "sftp" {
		return component.Errorf("ssh_file_transfer_method", "%q is not one of scp, sftp", c.FileTransferMethod)
	}
	if err := checkNames("ssh_ciphers", c.Ciphers, knownCiphers()); err != nil {
		return err
	}
	return checkNames("ssh_key_exchange_algorithms", c.KeyExchangeAlgorithms, knownKeyExchanges())
}

func knownCiphers() []string {
	return slices.Concat(gossh.SupportedAlgorithms().Ciphers, gossh.InsecureAlgorithms().Ciphers)
}

func knownKeyExchanges() []string {
	return slices.Concat(gossh.SupportedAlgorithms().KeyExchanges, gossh.InsecureAlgorithms().KeyExchanges)
}

func checkNames(option string, names, known []string) error {
	for _, name := range names {
		if !slices.Contains(known, name) {
			e := component.Errorf(option, "%q is not known", name)
			e.Advice = "use one of " + strings.Join(known, ", ")
			return e
		}
	}
	return nil
}

// tunnel leads from a port of one side to an address of the other.
type tunnel struct {
	port int
	to   string
}

func parseTunnel(text string) (tunnel, error) {
	port, to, ok := strings.Cut(text, ":")
	n, err := strconv.Atoi(port)
	if !ok || err != nil || n < 1 || n > 65535 {
		return tunnel{}, fmt.Errorf("%q is not port:host:port", text)
	}
	host, toPort, err := net.SplitHostPort(to)
	if err != nil || host == "" {
		return tunnel{}, fmt.Errorf("%q is not port:host:port", text)
	}
	if n, err := strconv.Atoi(toPort); err != nil || n < 1 || n > 65535 {
		return tunnel{}, fmt.Errorf("%q is not port:host:port", text)
	}
	return tunnel{port: n, to: to}, nil
}

// hostKey is a host key that is expected. The zero hostKey expects none.
type hostKey struct {
	fingerprint string // "SHA256:…"
	kind        string // type of the key, "" where only the fingerprint is known
}

func parseHostKey(text string) (hostKey, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return hostKey{}, nil
	}
	bad := component.Errorf("ssh_host_key", "is neither a public key nor a fingerprint")
	bad.Advice = `give a line such as "ssh-ed25519 AAAA…", or a fingerprint such as "SHA256:…" (ssh-keygen -l prints it)`
	if sum, ok := strings.CutPrefix(text, "SHA256:"); ok {
		if len(strings.TrimRight(sum, "=")) != 43 {
			return hostKey{}, bad
		}
		return hostKey{fingerprint: "SHA256:" + strings.TrimRight(sum, "=")}, nil
	}
	key, _, _, _, err := gossh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		if _, _, key, _, _, err = gossh.ParseKnownHosts([]byte(text)); err != nil {
			return hostKey{}, bad
		}
	}
	return hostKey{fingerprint: gossh.FingerprintSHA256(key), kind: key.Type()}, nil
}

// isEncrypted reports whether the error says that a key needs a passphrase.
func isEncrypted(err error) bool {
	var missing *gossh.PassphraseMissingError
	return errors.As(err, &missing)
}
