package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	gossh "golang.org/x/crypto/ssh"
)

var errNoAgent = errors.New("there is no SSH agent: SSH_AUTH_SOCK is not set")

// HostKeyError says that the machine is not the one that was expected.
type HostKeyError struct {
	Want, Got string // fingerprints; Got is "" where the machine has no key of the kind wanted
}

func (e *HostKeyError) Error() string {
	if e.Got == "" {
		return "the host key is not the expected one: the server has no key of the kind of " + e.Want
	}
	return fmt.Sprintf("the host key is not the expected one: expected %s, got %s", e.Want, e.Got)
}

// Hint says what may have happened.
func (e *HostKeyError) Hint() string {
	return "another machine answers at this address, or it was installed anew: if that is right, correct ssh_host_key or start the build again"
}

// loginError says that the server refused the login.
type loginError struct {
	login login
	err   error
}

// Error names what was refused. The library says only which methods were tried.
func (e *loginError) Error() string {
	tried := e.login.tried()
	if strings.Contains(e.err.Error(), "attempted methods [none],") {
		return "the server does not let one log in with " + tried
	}
	return "the server refused " + tried
}

func (e *loginError) Unwrap() error { return e.err }

// hint returns what the user can do about an error of connecting.
func hint(err error) string {
	var (
		login *loginError
		key   *HostKeyError
		dns   *net.DNSError
		algo  *gossh.AlgorithmNegotiationError
		netE  net.Error
	)
	switch {
	case errors.As(err, &key):
		return key.Hint()
	case errors.Is(err, errNoAgent):
		return "start one with: eval $(ssh-agent); ssh-add"
	case errors.As(err, &login):
		return "check ssh_username, and that the server accepts this login: " + logHint
	case errors.As(err, &algo):
		return "see ssh_ciphers and ssh_key_exchange_algorithms"
	case errors.As(err, &dns):
		return "check the host name"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there: check the host and the port, and that the SSH server runs"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "there is no route to that address from here"
	case errors.Is(err, io.EOF), errors.Is(err, syscall.ECONNRESET):
		return "the server closed the connection: it may be starting, be busy (MaxStartups), or not be an SSH server"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &netE) && netE.Timeout():
		return "nothing answered: check the address, and firewalls in between; ssh_timeout sets how long to wait"
	}
	return ""
}

const logHint = "its log says why it refused (journalctl -u ssh)"

// final reports whether trying to connect again is of no use.
func final(err error) bool {
	var key *HostKeyError
	var algo *gossh.AlgorithmNegotiationError
	return errors.As(err, &key) || errors.As(err, &algo) || errors.Is(err, errNoAgent)
}
