// Package datasources is the contract of data sources: what a template reads
// from outside while it is evaluated.
package datasources

import (
	"context"

	"github.com/ingot-build/ingot/builders"
)

// Definition lists a data source in datasources/all.
type Definition struct {
	Type string // as in a template: data "TYPE" "name"
	// New returns a configuration with its defaults, a pointer to a struct
	// whose `hcl` tags are its options (see internal/component).
	New func() Config
	// Output is a pointer to the zero value of the struct that Read returns,
	// whose `cty` tags are what data.TYPE.name has, as gocty reads them. Fields
	// tagged `sensitive:"true"` are redacted.
	Output any
}

// Config is the configuration of a data source.
type Config interface {
	// Check checks the options. It touches no network. Errors about one option
	// are *component.OptionError.
	Check() error
	// Read reads the data: a value of the type that Output points to.
	Read(ctx context.Context, h builders.Host) (any, error)
}
