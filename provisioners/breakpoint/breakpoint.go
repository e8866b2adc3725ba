// Package breakpoint is the provisioner "breakpoint": it stops the build until
// the user goes on, to look at the machine.
package breakpoint

import (
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/provisioners"
)

// Config is the options of the provisioner.
type Config struct {
	// Note is shown when the build stops. Default none.
	Note string `hcl:"note,optional"`
	// Disable makes the build go on without stopping. Default false.
	Disable bool `hcl:"disable,optional"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "breakpoint", New: func() provisioners.Provisioner { return &Config{} }}
}

// Lower returns a Pause that asks, or nothing where it is disabled.
func (c *Config) Lower(provisioners.Input) ([]op.Op, error) {
	if c.Disable {
		return nil, nil
	}
	prompt := "Stopped at a breakpoint."
	if c.Note != "" {
		prompt = "Stopped at a breakpoint: " + c.Note + "."
	}
	return []op.Op{&op.Pause{Prompt: prompt}}, nil
}
