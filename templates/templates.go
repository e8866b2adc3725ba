// Package templates has the templates that `ingot init` starts a project with.
package templates

import (
	"embed"
	"io/fs"
)

//go:embed aws-golden docker-golden from-ami gce-golden machine quickstart
var folders embed.FS

// Starter is a template to start with.
type Starter struct {
	Name    string // of its folder here
	Summary string
	Needs   string   // to bake it for real
	Vars    []string // variables that a user sets for that, e.g. "project=…"
	Sandbox bool     // `-sandbox` bakes it with no account
}

// List returns the templates, the simplest first.
func List() []Starter {
	return []Starter{
		{Name: "docker-golden", Summary: "a container image, from Debian packages, and its manifest", Needs: "nothing but this host"},
		{Name: "machine", Summary: "a container, and the same on a machine over SSH", Needs: "a machine with SSH"},
		{Name: "aws-golden", Summary: "an encrypted AMI in several regions, and its manifest", Needs: "an AWS account", Sandbox: true},
		{Name: "gce-golden", Summary: "a Google Compute Engine image in a family", Needs: "a Google Cloud project", Vars: []string{"project=…"}, Sandbox: true},
		{Name: "quickstart", Summary: "an AMI, a Google image and a container, as one version", Needs: "an AWS account and a Google Cloud project", Vars: []string{"project=…"}, Sandbox: true},
		{Name: "from-ami", Summary: "goes on from the newest AMI of quickstart", Needs: "an AWS account", Sandbox: true},
	}
}

// Find returns the template of a name.
func Find(name string) (Starter, bool) {
	for _, s := range List() {
		if s.Name == name {
			return s, true
		}
	}
	return Starter{}, false
}

// Names are the names of the templates.
func Names() []string {
	var out []string
	for _, s := range List() {
		out = append(out, s.Name)
	}
	return out
}

// Files are the template's files.
func (s Starter) Files() (fs.FS, error) { return fs.Sub(folders, s.Name) }
