// Package sleep is the provisioner "sleep": it waits.
package sleep

import (
	"time"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/provisioners"
)

// Config is the options of the provisioner.
type Config struct {
	// Duration is how long to wait, as "30s" or "2m".
	Duration time.Duration `hcl:"duration"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "sleep", New: func() provisioners.Provisioner { return &Config{} }}
}

// Lower returns a Pause.
func (c *Config) Lower(provisioners.Input) ([]op.Op, error) {
	if c.Duration <= 0 {
		return nil, component.Errorf("duration", "must be more than 0")
	}
	return []op.Op{&op.Pause{For: c.Duration}}, nil
}
