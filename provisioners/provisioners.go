// Package provisioners is the contract of those who say what is to be done to
// a machine: pure compilers from their configuration to ops.
package provisioners

import (
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
)

// Definition lists a provisioner in provisioners/all.
type Definition struct {
	Type string // as in a template: provisioner "TYPE"
	// New returns a configuration with its defaults, a pointer to a struct
	// whose `hcl` tags are its options (see internal/component).
	New func() Provisioner
}

// Provisioner lowers its configuration to ops. It does no I/O on the machine
// and does not branch on what a command printed: that belongs in the script.
// Reading files of this host is allowed. Errors about one option are
// *component.OptionError.
type Provisioner interface {
	Lower(in Input) ([]op.Op, error)
}

// Attacher is a Provisioner that changes nothing on the machine, and attaches
// documents to the artifact.
type Attacher interface {
	// Attach returns them, from the files that the ops have brought to dir: the
	// folder of this host that op.Attachments stands for.
	Attach(dir string, in Input) ([]artifact.Attachment, error)
	// Lenient reports whether it is no more than a warning when the step fails.
	Lenient() bool
}

// Examiner is a Provisioner that changes nothing on the machine, and tells
// whether it is as expected.
type Examiner interface {
	// Cases returns what was looked at, from the files that the ops have brought
	// to dir: the folder of this host that op.Attachments stands for.
	Cases(dir string) ([]artifact.Case, error)
}

// Input is what a provisioner may know of the build it is lowered for.
type Input struct {
	BuildName   string // PACKER_BUILD_NAME: the source's name
	BuilderType string // PACKER_BUILDER_TYPE
	ConnType    string // how the machine is reached: "ssh", "winrm", "none"; "" is no machine to log in to
	Dir         string // relative paths of this host start here
	Index       int    // number of this provisioner in the build, from 0

	// Render renders the Go template in an option that is tagged
	// `template:"late"`; data are its fields, e.g. "Path" for {{.Path}}.
	Render func(text string, data map[string]string) (string, error)
}

// Path returns a path of this host, from one in the template.
func (in Input) Path(p string) string { return hostPath(in.Dir, p) }
