// Package container is the builder "docker": it makes container images with
// BuildKit, without a Docker daemon. Exactly one of image, oci_layout and
// bootstrap says what an image starts from, exactly one of commit, export_path
// and discard what becomes of it.
package container

import (
	"context"
	"errors"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
)

// builder makes images from one source.
type builder struct {
	opts   *options
	host   builders.Host
	source source
}

// source is where an image comes from.
type source interface {
	// resolve pins the image. It changes nothing.
	resolve(ctx context.Context) (builders.Base, error)
	// begin makes what the image needs to be used.
	begin(ctx context.Context, base builders.Base, env builders.Env) (origin, error)
}

// origin is an image that can be built on.
type origin interface {
	// stores are the contents that BuildKit asks this host for, by name.
	stores() map[string]content.Store
	// state returns the image's file system and its configuration as JSON.
	state(ctx context.Context, gw gateway.Client) (llb.State, []byte, error)
}

func (o *options) newSource(b *builder) source {
	switch {
	case o.image != nil:
		return &registrySource{b}
	case o.Bootstrap != nil:
		return &bootstrapSource{builder: b}
	}
	return &layoutSource{b}
}

// Resolve pins the source image.
func (b *builder) Resolve(ctx context.Context) (builders.Base, error) { return b.source.resolve(ctx) }

// Supports refuses what is for Windows machines, and programs of this host
// where they can't work on the container.
func (b *builder) Supports(k op.Kind) error {
	if k == op.KindConnected {
		return b.opts.canConnect()
	}
	if k == op.KindCmd || k == op.KindReboot {
		return builders.WithHint(errors.New("it is for Windows machines, and containers run Linux"),
			`PowerShell in a container needs a remote_path such as "/tmp/script.ps1", and pwsh in the image`)
	}
	return nil
}

// Layered says that BuildKit keeps the result of each step.
func (b *builder) Layered() {}

// Begin starts a session.
func (b *builder) Begin(ctx context.Context, base builders.Base, env builders.Env) (builders.Session, error) {
	kit, err := connect(ctx, b.host)
	if err != nil {
		return nil, err
	}
	s := newSession(b, base, env, kit)
	if err := s.begin(ctx, b.sourceOf(base)); err != nil {
		return nil, errors.Join(err, s.Close(context.WithoutCancel(ctx)))
	}
	return s, nil
}

// Exists reports whether all that the build kept is still there. An image's
// blobs are the registry's, which has looked for them: they need not be on this
// host. Of a result that was discarded, nothing can be missing.
func (b *builder) Exists(_ context.Context, a artifact.Artifact) (bool, error) {
	switch {
	case b.opts.Discard:
		return a.ID == discarded, nil
	case b.opts.Commit:
		return a.Image != nil, nil
	}
	return len(a.Files) > 0 && filesExist(a.Files), nil
}
