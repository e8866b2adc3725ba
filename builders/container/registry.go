package container

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/platforms"
	"github.com/distribution/reference"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	orascontent "oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/errcode"
	orasretry "oras.land/oras-go/v2/registry/remote/retry"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/secret"
)

// registrySource is the option image.
type registrySource struct{ *builder }

// hub is what Docker Hub is called in names of images; the others are what its
// servers are called.
const hub = "docker.io"

// registryHost returns the registry of a server's address.
func registryHost(server string) string {
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		server = u.Host
	}
	server, _, _ = strings.Cut(server, "/")
	switch server {
	case "index.docker.io", "registry-1.docker.io", "registry.hub.docker.com":
		return hub
	}
	return server
}

// isLoopback reports whether a registry is on this host, where plain HTTP is
// spoken, as BuildKit and Docker do.
func isLoopback(host string) bool {
	name, _, err := net.SplitHostPort(host)
	if err != nil {
		name = host
	}
	ip := net.ParseIP(name)
	return name == "localhost" || ip != nil && ip.IsLoopback()
}

// resolve asks the registry, or, where pull is false or the name has a digest,
// remembers what it said before.
func (r *registrySource) resolve(ctx context.Context) (builders.Base, error) {
	named := r.opts.image
	_, pinned := named.(reference.Digested)
	if pinned || !r.opts.Pull {
		if p, ok := r.recall(); ok {
			return r.baseOf(p), nil
		}
	}
	p, err := r.ask(ctx)
	if err != nil {
		return builders.Base{}, err
	}
	return r.baseOf(p), nil
}

// pinned is an image that a name stands for.
type pinned struct {
	Top      digest.Digest `json:"top"`      // what the name means: a manifest or an index
	Manifest digest.Digest `json:"manifest"` // the one for the platform
}

func (r *registrySource) baseOf(p pinned) builders.Base {
	return builders.Base{
		ID: p.Manifest.String(), Name: reference.FamiliarString(r.opts.image), Arch: r.opts.platform.Architecture,
		Vars: map[string]secret.String{
			"build.SourceImageDigest": secret.Plain(reference.FamiliarName(r.opts.image) + "@" + p.Top.String()),
		},
	}
}

// ask asks the registry what the name means now.
func (r *registrySource) ask(ctx context.Context) (pinned, error) {
	repo, err := r.repository()
	if err != nil {
		return pinned{}, err
	}
	desc, body, err := repo.FetchReference(ctx, tagOrDigest(r.opts.image))
	if err != nil {
		return pinned{}, r.explain(ctx, err)
	}
	defer body.Close()
	p := pinned{Top: desc.Digest, Manifest: desc.Digest}
	if !isIndex(desc.MediaType) {
		return p, nil
	}
	text, err := orascontent.ReadAll(body, desc)
	if err != nil {
		return p, err
	}
	m, err := pick(text, r.opts.platform)
	if err != nil {
		return p, builders.WithHint(fmt.Errorf("image %s: %w", reference.FamiliarString(r.opts.image), err), "platform says which one to build on")
	}
	p.Manifest = m.Digest
	return p, nil
}

func (r *registrySource) repository() (*remote.Repository, error) {
	creds, err := r.opts.credentials()
	if err != nil {
		return nil, err
	}
	repo, err := remote.NewRepository(r.opts.image.Name())
	if err != nil {
		return nil, err
	}
	repo.PlainHTTP = isLoopback(reference.Domain(r.opts.image))
	repo.Client = &auth.Client{
		Client: orasretry.DefaultClient,
		Cache:  auth.NewCache(),
		Credential: func(ctx context.Context, host string) (auth.Credential, error) {
			ac, err := creds.provide(ctx, host, nil, nil)
			return auth.Credential{Username: ac.Username, Password: ac.Password, RefreshToken: ac.IdentityToken, AccessToken: ac.RegistryToken}, err
		},
	}
	return repo, nil
}

// explain says of a registry's answer what the user can do about it.
func (r *registrySource) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	name, host := reference.FamiliarString(r.opts.image), reference.Domain(r.opts.image)
	var resp *errcode.ErrorResponse
	var network *net.OpError
	switch {
	case errors.Is(err, errdef.ErrNotFound):
		return builders.WithHint(fmt.Errorf("image %s does not exist", name), "check its name and tag")
	case errors.Is(err, auth.ErrBasicCredentialNotFound),
		errors.As(err, &resp) && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden):
		return builders.WithHint(fmt.Errorf("image %s: the registry %s refuses the login", name, host),
			"check login_username and login_password, or run docker login "+host)
	case errors.As(err, &network):
		return builders.WithHint(fmt.Errorf("image %s: the registry %s can't be reached: %w", name, host, network.Err),
			"with pull = false, an image that was pulled before is used")
	}
	return fmt.Errorf("image %s: %w", name, err)
}

func tagOrDigest(ref reference.Named) string {
	switch ref := ref.(type) {
	case reference.Digested:
		return ref.Digest().String()
	case reference.Tagged:
		return ref.Tag()
	}
	return "latest"
}

func (r *registrySource) begin(_ context.Context, base builders.Base, _ builders.Env) (origin, error) {
	ref, err := reference.WithDigest(reference.TrimNamed(r.opts.image), digest.Digest(base.ID))
	if err != nil {
		return nil, err
	}
	return &registryOrigin{source: r, base: base, ref: ref.String()}, nil
}

// registryOrigin is an image that BuildKit pulls.
type registryOrigin struct {
	source *registrySource
	base   builders.Base
	ref    string
}

func (o *registryOrigin) stores() map[string]content.Store { return nil }

func (o *registryOrigin) state(ctx context.Context, gw gateway.Client) (llb.State, []byte, error) {
	platform := o.source.opts.platform
	_, _, config, err := gw.ResolveImageConfig(ctx, o.ref, sourceresolver.Opt{
		LogName:  "load " + o.base.Name,
		ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &platform, ResolveMode: llb.ResolveModePreferLocal.String()},
	})
	if err != nil {
		return llb.State{}, nil, fmt.Errorf("pull %s: %w", o.base.Name, err)
	}
	var img ocispec.Image
	if err := json.Unmarshal(config, &img); err != nil {
		return llb.State{}, nil, err
	}
	if got := (ocispec.Platform{OS: img.OS, Architecture: img.Architecture, Variant: img.Variant}); !platforms.Only(platform).Match(got) {
		return llb.State{}, nil, fmt.Errorf("image %s is for %s, not for %s", o.base.Name, platforms.Format(got), platforms.Format(platform))
	}
	o.source.remember(o.base)
	return llb.Image(o.ref, llb.ResolveModePreferLocal, llb.Platform(platform), llb.WithCustomName("pull "+o.base.Name)), config, nil
}
