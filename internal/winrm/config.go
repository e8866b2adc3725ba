// Package winrm is the connection to a Windows machine by WinRM, the SOAP
// protocol that Windows calls WS-Management (MS-WSMV): it logs in, runs
// commands, moves files and folders, and waits for a machine that restarts.
package winrm

import (
	"time"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// Options say how a Windows machine is reached. They count where communicator
// is "winrm". Builders embed them beside ssh.Config.
type Options struct {
	// WinRMUsername is who logs in. Required with communicator "winrm".
	WinRMUsername string `hcl:"winrm_username,optional"`
	// WinRMPassword is the password to log in with. A cloud's builder asks the
	// cloud for it where it is not set.
	WinRMPassword secret.String `hcl:"winrm_password,optional"`
	// WinRMHost is the name or address of the machine. Default: where the
	// builder made it.
	WinRMHost string `hcl:"winrm_host,optional"`
	// WinRMPort is the port that WinRM listens on. Default 5985, or 5986 with
	// winrm_use_ssl.
	WinRMPort int `hcl:"winrm_port,optional"`
	// WinRMTimeout is how long to try to connect. Default 30m.
	WinRMTimeout time.Duration `hcl:"winrm_timeout,optional"`
	// WinRMUseSSL speaks HTTPS. The certificate that is seen first must not
	// change until the build ends. Default false.
	WinRMUseSSL bool `hcl:"winrm_use_ssl,optional"`
	// WinRMInsecure takes any certificate at the first connection, e.g. one
	// that the machine signed itself. By HTTP there is none. Default false.
	WinRMInsecure bool `hcl:"winrm_insecure,optional"`
	// WinRMUseNTLM logs in by NTLM, which does not send the password, in place
	// of basic authentication. Default false.
	WinRMUseNTLM bool `hcl:"winrm_use_ntlm,optional"`
	// WinRMNoProxy connects directly where HTTP_PROXY or HTTPS_PROXY name a
	// proxy. Default false.
	WinRMNoProxy bool `hcl:"winrm_no_proxy,optional"`
}

// usualTimeout is how long to try to connect.
const usualTimeout = 30 * time.Minute

// Ports that WinRM listens on.
const (
	portHTTP  = 5985
	portHTTPS = 5986
)

// WinRMClient checks the options and returns what connects with them. It touches no
// network. Errors are *component.OptionError. The password may be missing: it
// is given by WithPassword then. A machine is left
// alone for pause after it was first reached, and connected to again
// (pause_before_connecting).
func (o Options) WinRMClient(pause time.Duration) (*Client, error) {
	if o.WinRMUsername == "" {
		return nil, component.Errorf("winrm_username", "is missing")
	}
	if o.WinRMPort == 0 {
		o.WinRMPort = portHTTP
		if o.WinRMUseSSL {
			o.WinRMPort = portHTTPS
		}
	}
	if o.WinRMPort < 1 || o.WinRMPort > 65535 {
		return nil, component.Errorf("winrm_port", "%d is not a port: it must be between 1 and 65535", o.WinRMPort)
	}
	if o.WinRMTimeout < 0 {
		return nil, component.Errorf("winrm_timeout", "must not be negative")
	}
	if o.WinRMTimeout == 0 {
		o.WinRMTimeout = usualTimeout
	}
	return &Client{options: o, pause: pause}, nil
}

// Client connects with checked options. Make one with Options.WinRMClient.
type Client struct {
	options     Options
	pause       time.Duration
	certificate string // that the machine must show, as in Target
}

// User returns who logs in.
func (c *Client) User() string { return c.options.WinRMUsername }

// Password returns the password to log in with, "" where it is not known yet.
func (c *Client) Password() string { return c.options.WinRMPassword.Reveal() }

// Host returns winrm_host.
func (c *Client) Host() string { return c.options.WinRMHost }

// Port returns the port that WinRM listens on.
func (c *Client) Port() int { return c.options.WinRMPort }

// WithPassword returns a client that logs in with another password.
func (c *Client) WithPassword(password string) *Client {
	with := *c
	with.options.WinRMPassword = secret.Sensitive(password)
	return &with
}

// Pinned returns a client for a machine that shows this certificate: its
// SHA-256 in hex.
func (c *Client) Pinned(certificate string) *Client {
	with := *c
	with.certificate = certificate
	return &with
}
