// Package postprocessors is the contract of those who work on an artifact
// after it was made.
package postprocessors

import (
	"context"
	"path/filepath"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/secret"
)

// Definition lists a post-processor in postprocessors/all.
type Definition struct {
	Type string // as in a template: post-processor "TYPE"
	// New returns a configuration with its defaults, a pointer to a struct
	// whose `hcl` tags are its options (see internal/component).
	New func() Processor
}

// Processor works on an artifact.
type Processor interface {
	// Check reports what is wrong with the options; it changes nothing.
	// Errors about one option are *component.OptionError.
	Check(in Input) error
	// Process returns the artifact that the next one of the chain gets. It
	// may be called again after a failure and must then do only what is left.
	Process(ctx context.Context, in Input) (Result, error)
}

// Result is what a post-processor leaves.
type Result struct {
	Artifact artifact.Artifact
	// Keep says whether the input stays where the template does not say
	// (keep_input_artifact). Where MustKeep is true, false is refused with a
	// warning: the output needs the input.
	//
	// The engine removes an input that is not kept, once the whole chain has
	// succeeded: files, and by a builders.Remover what a builder made.
	Keep, MustKeep bool
}

// Finder is a Processor that can tell whether what it made in a place outside
// of this host is still there. Without it, an artifact with places whose input
// was removed is made anew in each run.
type Finder interface {
	Exists(ctx context.Context, in Input, a artifact.Artifact) (bool, error)
}

// Reader is a Processor that makes its output also of files of this host. It
// returns their paths, as in the template.
type Reader interface{ Reads() []string }

// Input is what a post-processor is given. Artifact is zero for Check.
type Input struct {
	Artifact    artifact.Artifact
	BuildName   string // the source's name
	BuilderType string
	RunID       string
	Build       string           // address of the build
	Journal     *journal.Journal // of the run; nil keeps nothing
	Dir         string           // relative paths of this host start here
	Host        builders.Host    // with the layout of images, and the sandbox where there is one
	Builder     builders.Builder // of the build; nil for Check
	Force       bool             // -force
	FirstOfRun  bool             // no other build has run this post-processor in this run
	Log         event.Log
	// Attachments are documents about what the build made. Those of an earlier
	// run have no Data.
	Attachments []artifact.Attachment
	Secrets     *secret.Set

	// Render renders the Go template in an option that is tagged
	// `template:"late"`; data are its fields, e.g. "ChecksumType".
	Render func(text string, data map[string]string) (string, error)
}

// Path returns a path of this host, from one in the template.
func (in Input) Path(p string) string {
	if p == "" || filepath.IsAbs(p) || in.Dir == "" {
		return p
	}
	return filepath.Join(in.Dir, p)
}
