// Package dockerimport is the post-processor "docker-import": it makes a
// container's image of the tar of a file system.
package dockerimport

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"

	"github.com/containerd/platforms"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/container/changes"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/ingest"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/containerimage"
)

// Config is the options of the post-processor.
type Config struct {
	// Repository is the name of the image without a tag, as
	// "registry.example.com/team/web".
	Repository string `hcl:"repository"`
	// Tag is the image's tag. Default "latest".
	Tag string `hcl:"tag,optional"`
	// Changes are Dockerfile instructions that are applied to the image's
	// configuration, which is empty else: CMD, ENTRYPOINT, ENV, EXPOSE,
	// HEALTHCHECK, LABEL, ONBUILD, SHELL, STOPSIGNAL, USER, VOLUME and WORKDIR.
	Changes []string `hcl:"changes,optional"`
	// Platform is the platform of the image, as "linux/arm64". Default linux
	// on the architecture of the artifact, or of this host.
	Platform string `hcl:"platform,optional"`
	// DockerPath is taken, and needs nothing done: no docker program is used.
	// Default "docker".
	DockerPath string `hcl:"docker_path,optional"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "docker-import", New: func() postprocessors.Processor {
		return &Config{DockerPath: "docker"}
	}}
}

// Check looks at the name, the changes and the platform.
func (c *Config) Check(in postprocessors.Input) error {
	if _, err := c.name(); err != nil {
		return err
	}
	if _, err := c.platform(in); err != nil {
		return err
	}
	_, err := changes.Parse(c.Changes)
	return err
}

// name is the image's name as the template has it, with the tag where there is
// one.
func (c *Config) name() (string, error) {
	if name, err := containerimage.Name(c.Repository); err != nil || name.String() != name.Name()+":latest" {
		return "", component.Errorf("repository", "%q is not a name of an image without a tag", c.Repository)
	}
	if c.Tag == "" {
		return c.Repository, nil
	}
	name := c.Repository + ":" + c.Tag
	if tagged, err := containerimage.Name(name); err != nil || tagged.Tag() != c.Tag {
		return "", component.Errorf("tag", "%q is not a tag", c.Tag)
	}
	return name, nil
}

func (c *Config) platform(in postprocessors.Input) (ocispec.Platform, error) {
	if c.Platform == "" {
		arch := in.Artifact.Arch
		if arch == "" {
			arch = runtime.GOARCH
		}
		return platforms.Normalize(ocispec.Platform{OS: "linux", Architecture: arch}), nil
	}
	p, err := platforms.Parse(c.Platform)
	if err != nil {
		return p, component.Errorf("platform", "%q is not a platform such as linux/amd64", c.Platform)
	}
	return p, nil
}

// Process makes the image. The same tar gives the same image.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	path, err := source(in)
	if err != nil {
		return postprocessors.Result{}, err
	}
	name, err := c.name()
	if err != nil {
		return postprocessors.Result{}, err
	}
	folder, err := ingest.Open(ctx, in.Host.Layout)
	if err != nil {
		return postprocessors.Result{}, err
	}
	in.Log.Say(fmt.Sprintf("Importing image: %s from %s", name, filepath.Base(path)))
	img, err := c.makeImage(ctx, in, folder, path)
	if err := errors.Join(err, folder.Close()); err != nil {
		return postprocessors.Result{}, fmt.Errorf("import %s: %w", path, err)
	}
	return postprocessors.Result{Artifact: artifact.Artifact{
		Builder: "docker-import", ID: name, Text: "Imported Docker image: " + name, Arch: img.Architecture,
		Labels: in.Artifact.Labels, Image: &img, Tags: []string{name},
	}}, nil
}

// source is the tar, the artifact's only file.
func source(in postprocessors.Input) (string, error) {
	const hint = `it takes one tar of a file system, as the builder "docker" makes with export_path`
	switch n := len(in.Artifact.Files); {
	case in.Artifact.Image != nil && n == 0:
		return "", builders.WithHint(errors.New("the artifact is an image already"), "docker-tag names it, docker-push pushes it")
	case n != 1:
		return "", builders.WithHint(fmt.Errorf("the artifact has %d files", n), hint)
	}
	return in.Path(in.Artifact.Files[0].Path), nil
}
