// Package vagrant is the post-processor "vagrant": it makes a box for Vagrant
// of an artifact.
package vagrant

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/postprocessors"
)

// Config is the options of the post-processor.
type Config struct {
	// Output is the box to write: {{.BuildName}}, {{.Provider}},
	// {{.Architecture}} and {{.ArtifactId}} are what they say. Default
	// "packer_{{.BuildName}}_{{.Provider}}_{{.Architecture}}.box".
	Output string `hcl:"output,optional" template:"late"`
	// CompressionLevel is how hard to try: from 0, not at all, to 9. Default 6.
	CompressionLevel *int `hcl:"compression_level,optional"`
	// Include are files of this host to put into the box, by their names
	// without folders. Default none.
	Include []string `hcl:"include,optional"`
	// VagrantfileTemplate is a file to add to the box's Vagrantfile, a Go
	// template with the names of output. Default none.
	VagrantfileTemplate string `hcl:"vagrantfile_template,optional"`
	// VagrantfileTemplateGenerated says that vagrantfile_template is not there
	// before the build. Default false.
	VagrantfileTemplateGenerated bool `hcl:"vagrantfile_template_generated,optional"`
	// ProviderOverride is the provider of the box: "aws", "docker", "file" or
	// "google". Default what the artifact is for; one of artifice has none.
	ProviderOverride string `hcl:"provider_override,optional"`
	// Architecture is what the box is for, as "amd64". Default that of the
	// artifact, or of this host.
	Architecture string `hcl:"architecture,optional"`
	// Override are other values of these options for a provider, by its name:
	// { aws = { output = "aws.box" } }.
	Override map[string]Override `hcl:"override,optional" template:"late"`
}

// Override is the options for a provider.
type Override struct {
	// Output is the box to write.
	Output *string `hcl:"output,optional"`
	// CompressionLevel is how hard to try.
	CompressionLevel *int `hcl:"compression_level,optional"`
	// Include are files of this host to put into the box.
	Include []string `hcl:"include,optional"`
	// VagrantfileTemplate is a file to add to the box's Vagrantfile.
	VagrantfileTemplate *string `hcl:"vagrantfile_template,optional"`
	// VagrantfileTemplateGenerated says that it is not there before the build.
	VagrantfileTemplateGenerated *bool `hcl:"vagrantfile_template_generated,optional"`
	// Architecture is what the box is for.
	Architecture *string `hcl:"architecture,optional"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "vagrant", New: func() postprocessors.Processor {
		return &Config{Output: "packer_{{.BuildName}}_{{.Provider}}_{{.Architecture}}.box"}
	}}
}

// of returns the options for a provider.
func (c *Config) of(provider string) Config {
	out := *c
	o := c.Override[provider]
	set(&out.Output, o.Output)
	set(&out.VagrantfileTemplate, o.VagrantfileTemplate)
	set(&out.VagrantfileTemplateGenerated, o.VagrantfileTemplateGenerated)
	set(&out.Architecture, o.Architecture)
	if o.CompressionLevel != nil {
		out.CompressionLevel = o.CompressionLevel
	}
	if o.Include != nil {
		out.Include = o.Include
	}
	return out
}

func set[T any](to, from *T) {
	if from != nil {
		*to = *from
	}
}

// Check looks at the options, also at those for each provider.
func (c *Config) Check(in postprocessors.Input) error {
	if p := c.ProviderOverride; p != "" && !slices.Contains(providers, p) {
		return &component.OptionError{Option: "provider_override", Message: fmt.Sprintf("boxes for %q are not made here", p),
			Advice: "there are " + strings.Join(providers, ", ")}
	}
	if err := c.check(in, "any"); err != nil {
		return err
	}
	for name := range c.Override {
		if !slices.Contains(providers, name) {
			continue // for builders that are not here
		}
		o := c.of(name)
		if err := o.check(in, name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) check(in postprocessors.Input, provider string) error {
	if c.CompressionLevel != nil && (*c.CompressionLevel < -1 || *c.CompressionLevel > 9) {
		return component.Errorf("compression_level", "%d is not in the range 0 to 9", *c.CompressionLevel)
	}
	if c.VagrantfileTemplate != "" && !c.VagrantfileTemplateGenerated {
		if _, err := os.Stat(in.Path(c.VagrantfileTemplate)); err != nil {
			return &component.OptionError{Option: "vagrantfile_template", Message: err.Error(),
				Advice: "vagrantfile_template_generated = true, where the build makes it"}
		}
	}
	path, err := c.path(in, provider)
	if err != nil {
		return err
	}
	if err := hostfile.CheckOutput(in.Path(path)); err != nil {
		return component.Errorf("output", "%v", err)
	}
	return nil
}

// names are the values that the options' templates have.
func (c *Config) names(in postprocessors.Input, provider string) map[string]string {
	return map[string]string{"ArtifactId": in.Artifact.ID, "BuildName": in.BuildName, "Provider": provider, "Architecture": c.arch(in)}
}

func (c *Config) path(in postprocessors.Input, provider string) (string, error) {
	path, err := in.Render(c.Output, c.names(in, provider))
	if err == nil && path == "" {
		path, err = in.Render(Definition().New().(*Config).Output, c.names(in, provider))
	}
	if err != nil {
		return "", component.Errorf("output", "%v", err)
	}
	return path, nil
}

// arch is the box's architecture by the name that Vagrant has for it.
func (c *Config) arch(in postprocessors.Input) string {
	arch := c.Architecture
	if arch == "" {
		arch = in.Artifact.Arch
	}
	if arch == "" {
		arch = runtime.GOARCH
	}
	if arch == "386" {
		return "i386"
	}
	return arch
}

// Reads returns the files that the box is made of beside the artifact.
func (c *Config) Reads() []string {
	var files []string
	for _, provider := range providers {
		o := c.of(provider)
		files = append(append(files, o.Include...), o.VagrantfileTemplate)
	}
	return slices.DeleteFunc(files, func(f string) bool { return f == "" })
}

// Process writes the box. It is there whole, or not at all.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	name, err := c.provider(in)
	if err != nil {
		return postprocessors.Result{}, err
	}
	o := c.of(name)
	if err := o.check(in, name); err != nil {
		return postprocessors.Result{}, err
	}
	path, err := o.path(in, name)
	if err != nil {
		return postprocessors.Result{}, err
	}
	b, err := o.box(in, name)
	if err != nil {
		return postprocessors.Result{}, err
	}
	in.Log.Say(fmt.Sprintf("Making a box for %s: %s", name, path))
	size, err := b.write(ctx, in.Path(path), o.level())
	if err != nil {
		return postprocessors.Result{}, fmt.Errorf("write %s: %w", path, err)
	}
	// A box names the image, which must stay; only files are copied into it.
	named := name != "file"
	return postprocessors.Result{Keep: named, MustKeep: named, Artifact: artifact.Artifact{
		Builder: "vagrant", ID: name, Text: fmt.Sprintf("Box for %s: %s", name, path), Arch: in.Artifact.Arch,
		Labels: in.Artifact.Labels, Files: []artifact.File{{Path: path, Size: size}},
	}}, nil
}

func (c *Config) level() int {
	if c.CompressionLevel == nil || *c.CompressionLevel < 0 {
		return 6
	}
	return *c.CompressionLevel
}
