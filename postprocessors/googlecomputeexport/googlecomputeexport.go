// Package googlecomputeexport is the post-processor "googlecompute-export": it
// writes an image of Compute Engine to Cloud Storage.
package googlecomputeexport

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/postprocessors"
)

// Config is the options of the post-processor. Those that say how Google Cloud is
// reached are the builder's, where none are set.
type Config struct {
	gcp.Access

	// Paths are where the image is written to, as a tar.gz with the file
	// disk.raw: "gs://mybucket/path/to/file.tar.gz".
	Paths []string `hcl:"paths"`
	// Zone is where the instance runs that writes it. Default: the build's.
	Zone string `hcl:"zone,optional"`
	// MachineType is the type of the instance. Default "n1-highcpu-4".
	MachineType string `hcl:"machine_type,optional"`
	// DiskSize is the size of the instance's own disk in GB. Default 200.
	DiskSize int64 `hcl:"disk_size,optional"`
	// DiskType is the type of its disks: "pd-ssd", "pd-standard" … Default
	// "pd-ssd".
	DiskType string `hcl:"disk_type,optional"`
	// SourceImageFamily is the family of the instance's image, which needs
	// Google's guest agent and curl, and no gcloud. Default "debian-12".
	SourceImageFamily string `hcl:"source_image_family,optional"`
	// Network is the name or the URL of the network. Default "default", where
	// subnetwork is not set.
	Network string `hcl:"network,optional"`
	// Subnetwork is the name or the URL of the subnetwork.
	Subnetwork string `hcl:"subnetwork,optional"`
	// OmitExternalIP gives the instance no external address: the subnetwork then
	// needs Private Google Access. Default false.
	OmitExternalIP bool `hcl:"omit_external_ip,optional"`
	// ServiceAccountEmail is the service account of the instance, which writes
	// the objects. Default: the project's default service account.
	ServiceAccountEmail string `hcl:"service_account_email,optional"`
	// Scopes are the scopes of that account. Default: devstorage.read_write.
	Scopes []string `hcl:"scopes,optional"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: google.ExportType, New: func() postprocessors.Processor {
		return &Config{DiskSize: 200, DiskType: "pd-ssd", MachineType: "n1-highcpu-4", SourceImageFamily: "debian-12"}
	}}
}

// Check looks at the options. It asks no service.
func (c *Config) Check(in postprocessors.Input) error {
	if len(c.Paths) == 0 {
		return component.Errorf("paths", "must not be empty")
	}
	seen := map[string]bool{}
	for _, path := range c.Paths {
		if err := google.CheckPath(path); err != nil {
			return component.Errorf("paths", "%v", err)
		}
		if seen[path] {
			return component.Errorf("paths", "%s is given twice", path)
		}
		seen[path] = true
	}
	if c.Zone != "" {
		if _, err := gcp.RegionOf(c.Zone); err != nil {
			return component.Errorf("zone", "%v", err)
		}
	}
	if c.DiskSize < 1 {
		return component.Errorf("disk_size", "must be at least 1 GB")
	}
	for _, o := range []struct{ name, value string }{
		{"machine_type", c.MachineType}, {"disk_type", c.DiskType}, {"source_image_family", c.SourceImageFamily},
	} {
		if o.value == "" {
			return component.Errorf(o.name, "must not be empty")
		}
	}
	return c.Access.Check(in.Dir)
}

// access is how Google Cloud is reached: as the options say, else as the builder
// does.
func (c *Config) access(in postprocessors.Input) gcp.Access {
	if b, ok := in.Builder.(interface{ Access() gcp.Access }); ok {
		return c.Access.Or(b.Access())
	}
	return c.Access
}

// Process writes the image to all paths. What is there is written anew.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	if len(in.Artifact.Places) == 0 || in.Artifact.Builder != google.Type && in.Artifact.Builder != google.ImportType {
		return postprocessors.Result{}, builders.WithHint(fmt.Errorf("the artifact is no image of Compute Engine, but of %s", cmp.Or(in.Artifact.Builder, "nothing")),
			"it exports what googlecompute or googlecompute-import have made")
	}
	zone := cmp.Or(c.Zone, in.Artifact.Labels["zone"])
	if zone == "" {
		return postprocessors.Result{}, component.Errorf("zone", "is needed: no build says in which zone the instance is to run")
	}
	access := c.access(in)
	for _, text := range access.Secrets() {
		in.Secrets.Add(text)
	}
	out, err := google.Export(ctx, access, in.Host, in.Artifact, google.Exporter{
		Paths: c.Paths, Zone: zone, MachineType: c.MachineType, DiskSize: c.DiskSize, DiskType: c.DiskType,
		SourceImageFamily: c.SourceImageFamily, Network: c.Network, Subnetwork: c.Subnetwork, OmitExternalIP: c.OmitExternalIP,
		ServiceAccountEmail: c.ServiceAccountEmail, Scopes: scopes(c.Scopes),
	}, builders.Env{RunID: in.RunID, Build: in.Build, Log: in.Log, Journal: in.Journal})
	if err != nil {
		return postprocessors.Result{}, err
	}
	return postprocessors.Result{Artifact: out}, nil
}

// scopes are the URLs of scopes, which may be given by their last part.
func scopes(names []string) []string {
	var all []string
	for _, name := range names {
		if !strings.Contains(name, "/") {
			name = "https://www.googleapis.com/auth/" + name
		}
		all = append(all, name)
	}
	return all
}

// Exists reports whether all objects are still there.
func (c *Config) Exists(ctx context.Context, in postprocessors.Input, a artifact.Artifact) (bool, error) {
	return google.ObjectsThere(ctx, c.access(in), in.Host, a)
}
