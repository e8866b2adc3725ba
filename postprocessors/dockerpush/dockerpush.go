// Package dockerpush is the post-processor "docker-push": it pushes a
// container's image to its registries.
package dockerpush

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/ecr"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/containerimage"
)

// Config is the options of the post-processor.
type Config struct {
	// Login says whether login_username and login_password are used. Default
	// true. Without login_username the login is that of docker's
	// configuration, as with docker login.
	Login *bool `hcl:"login,optional"`
	// LoginUsername is the user to log in as.
	LoginUsername secret.String `hcl:"login_username,optional"`
	// LoginPassword is the user's password, or a token.
	LoginPassword secret.String `hcl:"login_password,optional"`
	// LoginServer is the registry that the login is for. Default Docker Hub.
	LoginServer string `hcl:"login_server,optional"`
	// Platform is the platform that the image must have, as "linux/arm64".
	// Default any.
	Platform string `hcl:"platform,optional"`
	// DockerPath is taken, and needs nothing done: no docker program is used.
	// Default "docker".
	DockerPath string `hcl:"docker_path,optional"`

	ecr.Options
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "docker-push", New: func() postprocessors.Processor {
		return &Config{DockerPath: "docker"}
	}}
}

// Check looks at the login and the platform.
func (c *Config) Check(postprocessors.Input) error {
	if err := c.CheckECR(c.LoginServer); err != nil {
		return err
	}
	if c.EcrLogin && c.login() {
		return component.Errorf("ecr_login", "login_username and login_password can't be given beside it")
	}
	if c.login() && c.LoginPassword.Reveal() == "" {
		return component.Errorf("login_password", "is needed with login_username")
	}
	if c.Platform != "" {
		if _, err := platforms.Parse(c.Platform); err != nil {
			return component.Errorf("platform", "%q is not a platform such as linux/amd64", c.Platform)
		}
	}
	return nil
}

// Process pushes the image under each of its names. What a registry has
// already is not sent again.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	result := postprocessors.Result{Artifact: in.Artifact, Keep: true}
	img, err := containerimage.Of(in)
	if err != nil {
		return result, err
	}
	if err := c.checkPlatform(img); err != nil {
		return result, err
	}
	if len(in.Artifact.Tags) == 0 {
		return result, builders.WithHint(errors.New("the image has no name to push it to"),
			`put a post-processor "docker-tag" before this one, in the same post-processors block`)
	}
	if in.Secrets != nil && c.login() {
		in.Secrets.Add(c.LoginPassword.Reveal())
	}
	client, err := c.client(ctx, in)
	if err != nil {
		return result, err
	}
	for _, tag := range in.Artifact.Tags {
		in.Log.Say("Pushing: " + tag)
		if err := push(ctx, client, img, tag); err != nil {
			return result, explain(tag, err)
		}
		in.Log.Output(fmt.Sprintf("%s: digest: %s size: %d", tag, img.Digest, img.Size), false)
	}
	return result, nil
}

func (c *Config) checkPlatform(img artifact.Image) error {
	if c.Platform == "" {
		return nil
	}
	want, err := platforms.Parse(c.Platform)
	if err != nil {
		return component.Errorf("platform", "%q is not a platform such as linux/amd64", c.Platform)
	}
	has := ocispec.Platform{OS: img.OS, Architecture: img.Architecture, Variant: img.Variant}
	if !platforms.OnlyStrict(want).Match(has) {
		return component.Errorf("platform", "the image is for %s, not for %s", platforms.Format(has), c.Platform)
	}
	return nil
}

func push(ctx context.Context, client *auth.Client, img artifact.Image, tag string) error {
	name, err := containerimage.Name(tag)
	if err != nil {
		return err
	}
	ref := orasregistry.Reference{Registry: reference.Domain(name), Repository: reference.Path(name), Reference: name.Tag()}
	repo := &remote.Repository{Client: client, Reference: ref, PlainHTTP: isLoopback(ref.Host())}
	layout := oci.NewStorageFromFS(os.DirFS(img.Layout))
	manifest := containerimage.Descriptor(img)
	if err := oras.CopyGraph(ctx, layout, repo, manifest, oras.DefaultCopyGraphOptions); err != nil {
		return err
	}
	return repo.Tag(ctx, manifest, name.Tag())
}
