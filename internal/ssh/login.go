package ssh

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strings"

	gossh "golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
)

// login is who logs in, and with what.
type login struct {
	user        string
	password    string
	signers     []gossh.Signer // of key files
	privateKey  []byte         // as read from the file; nil where there is none
	agent       bool
	interactive bool // ask the user
}

func (c Config) machineLogin(dir string) (login, error) {
	l := login{user: c.Username, password: c.Password.Reveal(), agent: c.AgentAuth}
	var err error
	l.signers, l.privateKey, err = readKey(dir, "ssh_", c.PrivateKeyFile, c.CertificateFile)
	if err != nil {
		return login{}, err
	}
	return l, nil
}

// HasLogin reports whether there is something to log in with.
func (c *Client) HasLogin() bool {
	return c.login.password != "" || len(c.login.signers) > 0 || c.login.agent
}

// bastionLogin is the bastion's own login; what it does not have is the machine's.
func (c Config) bastionLogin(dir string, machine login) (login, error) {
	l := login{
		user: c.BastionUsername, password: c.BastionPassword.Reveal(),
		agent: c.BastionAgentAuth, interactive: c.BastionInteractive,
	}
	if l.user == "" {
		l.user = machine.user
	}
	var err error
	l.signers, l.privateKey, err = readKey(dir, "ssh_bastion_", c.BastionPrivateKeyFile, c.BastionCertificateFile)
	if err != nil {
		return login{}, err
	}
	if l.password == "" && len(l.signers) == 0 && !l.agent && !l.interactive {
		l.password, l.signers, l.agent = machine.password, machine.signers, machine.agent
	}
	return l, nil
}

// readKey reads a private key and its certificate. Options are named prefix +
// "private_key_file" and prefix + "certificate_file".
func readKey(dir, prefix, keyFile, certFile string) ([]gossh.Signer, []byte, error) {
	if keyFile == "" {
		if certFile != "" {
			return nil, nil, component.Errorf(prefix+"certificate_file", "needs the private key: set %sprivate_key_file", prefix)
		}
		return nil, nil, nil
	}
	option := prefix + "private_key_file"
	text, err := os.ReadFile(hostfile.Path(dir, keyFile))
	var read *fs.PathError
	if errors.As(err, &read) {
		return nil, nil, component.Errorf(option, "the private key %s can't be read: %v", keyFile, read.Err)
	}
	signer, err := gossh.ParsePrivateKey(text)
	if isEncrypted(err) {
		e := component.Errorf(option, "the key in %s is encrypted", keyFile)
		e.Advice = "add the key to an SSH agent (ssh-add " + keyFile + ") and set " + prefix + "agent_auth = true"
		return nil, nil, e
	}
	if err != nil {
		return nil, nil, component.Errorf(option, "the file %s is not a private key: %s", keyFile, strings.TrimPrefix(err.Error(), "ssh: "))
	}
	signers := []gossh.Signer{signer}
	if certFile != "" {
		withCert, err := readCertificate(hostfile.Path(dir, certFile), signer)
		if err != nil {
			return nil, nil, component.Errorf(prefix+"certificate_file", "%v", err)
		}
		signers = []gossh.Signer{withCert, signer}
	}
	return signers, text, nil
}

func readCertificate(path string, signer gossh.Signer) (gossh.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, _, _, _, err := gossh.ParseAuthorizedKey(text)
	if err != nil {
		return nil, fmt.Errorf("%s is not a certificate", path)
	}
	cert, ok := key.(*gossh.Certificate)
	if !ok {
		return nil, fmt.Errorf("%s is a key, not a certificate", path)
	}
	s, err := gossh.NewCertSigner(cert, signer)
	if err != nil {
		return nil, fmt.Errorf("%s is the certificate of another key", path)
	}
	return s, nil
}

// methods returns the ways to log in, and what ends the use of the agent.
func (l login) methods(ask asker) ([]gossh.AuthMethod, func(), error) {
	signers, done := l.signers, func() {}
	if l.agent {
		conn, err := dialAgent()
		if err != nil {
			return nil, nil, err
		}
		done = func() { conn.Close() }
		more, err := agent.NewClient(conn).Signers()
		if err != nil {
			done()
			return nil, nil, fmt.Errorf("ask the SSH agent for its keys: %w", err)
		}
		signers = append(signers[:len(signers):len(signers)], more...)
	}
	var methods []gossh.AuthMethod
	if len(signers) > 0 {
		methods = append(methods, gossh.PublicKeys(signers...))
	}
	if l.password != "" {
		methods = append(methods, gossh.Password(l.password))
	}
	if l.password != "" || l.interactive {
		methods = append(methods, gossh.KeyboardInteractive(l.answer(ask)))
	}
	return methods, done, nil
}

// answer gives the password to each question that hides its answer, and asks
// the user for all else where that is wanted.
func (l login) answer(ask asker) gossh.KeyboardInteractiveChallenge {
	return func(_, instruction string, questions []string, echos []bool) ([]string, error) {
		answers := make([]string, len(questions))
		for i, q := range questions {
			switch {
			case l.interactive:
				text, err := ask(instruction+q, echos[i])
				if err != nil {
					return nil, err
				}
				answers[i] = text
			case echos[i]:
				return nil, fmt.Errorf("the server asks %q, which a password does not answer", strings.TrimSpace(q))
			default:
				answers[i] = l.password
			}
		}
		return answers, nil
	}
}

// tried says with what the login was tried.
func (l login) tried() string {
	var with []string
	if len(l.signers) > 0 {
		with = append(with, "the key")
	}
	if l.agent {
		with = append(with, "the agent's keys")
	}
	if l.password != "" {
		with = append(with, "the password")
	}
	if l.interactive {
		with = append(with, "the answers given")
	}
	return strings.Join(with, " and ")
}

// dialAgent is called when a connection is made: that there is no agent says
// nothing about the template.
func dialAgent() (net.Conn, error) {
	path := os.Getenv("SSH_AUTH_SOCK")
	if path == "" {
		return nil, errNoAgent
	}
	conn, err := net.Dial("unix", path)
	if err != nil {
		return nil, fmt.Errorf("reach the SSH agent: %w", err)
	}
	return conn, nil
}
