// Package datasources is the contract of data sources: what a template reads
// from outside while it is evaluated.
package datasources

import (
	"context"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/registry"
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
	Read(ctx context.Context, in Input) (any, error)
}

// Input is what a data source reads with.
type Input struct {
	builders.Host
	// Registry opens the registry that the template publishes to, for the data
	// sources that ask it. It talks to nobody yet.
	Registry func() (Versions, error)
	// Found is told of the artifacts of versions that are read, by what names
	// them in a source; nil is nobody. It may be called by several goroutines.
	Found func(id string, p artifact.Parent)
}

// Versions is what data sources ask of a registry.
type Versions interface {
	Address() string
	Buckets(ctx context.Context) ([]string, error)
	Channels(ctx context.Context, bucket string) (map[string]string, error)
	Version(ctx context.Context, bucket, nameOrChannel string) (registry.Version, bool, error)
	Versions(ctx context.Context, bucket string) ([]registry.Version, error)
	// Image returns what a container's image is named by where it is a base.
	Image(bucket string, img artifact.Image) string
}
