// Package null is the builder of no image: it provisions a machine that is
// there already, over SSH or WinRM. ssh_host or winrm_host is needed, unless
// communicator is "none": then there is no machine, and only steps that run on
// this host are possible.
package null

import (
	"errors"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/winrm"
)

// Type is the name of the builder in a template.
const Type = "null"

// Definition lists the builder.
func Definition() builders.Definition {
	return builders.Definition{Type: Type, New: func() builders.Config { return &Config{Config: ssh.Defaults()} }}
}

// Config is a source of a machine that is there already. ssh_host is required,
// or winrm_host with communicator "winrm", unless communicator is "none".
type Config struct {
	ssh.Config
	winrm.Options
	ssh.NoKeyPair
}

// Open checks the options.
func (c *Config) Open(h builders.Host) (builders.Builder, error) {
	if err := c.CheckCommunicator(); err != nil {
		return nil, err
	}
	if c.ClearAuthorizedKeys {
		return nil, component.Errorf("ssh_clear_authorized_keys", "no temporary key was put on this machine, so that there is none to remove")
	}
	switch c.Communicator {
	case "winrm":
		return c.openWindows(h)
	case "none":
		return inPlace{machine.Builder(nowhere{}, nil)}, nil
	}
	return c.openSSH(h)
}

// inPlace says that the machine stays as the last build left it.
type inPlace struct{ builders.Builder }

func (inPlace) InPlace() {}

// NoImage says that there is none.
func (inPlace) NoImage() error {
	return errors.New("it makes no image: what its steps do stays where they do it")
}
