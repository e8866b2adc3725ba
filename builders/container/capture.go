package container

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
)

// Where a captured command's output is while it runs: a mount, below /dev,
// which is in no layer.
const captured = "/dev/ingot/captured"

// captureScript writes what a command prints to a file of the mount.
const captureScript = `exec "$@" >` + captured + `/out`

// capture runs a command beside the build and writes what it prints to a file
// of this host. The image does not get what the command changes.
func (s *buildSession) capture(ctx context.Context, o *op.Capture) error {
	r := &run{session: s, argv: append([]string{"/bin/sh", "-c", captureScript, "sh"}, o.Run.Argv...)}
	for name, value := range o.Run.Env {
		r.env(name, value)
	}
	user := o.Run.User
	if user == "" {
		user = s.opts.user(s.config.Config.User)
	}
	r.add(s.common()...)
	r.add(llb.User(user), s.workDir(o.Run.Dir), llb.Args(r.argv), llb.WithCustomName(builders.ExecName(o.Run)))
	if s.force {
		r.add(llb.IgnoreCache)
	}
	if o.Alone {
		r.add(llb.Network(llb.NetModeNone)) // with loopback
	}
	// The folder may be written to by everybody, as the image's user is anyone.
	place := llb.Scratch().File(llb.Mkdir("/captured", 0o777))
	def, err := s.state.Run(r.opts...).AddMount(captured, place, llb.SourcePath("/captured")).Marshal(ctx, llb.Platform(s.opts.platform), llb.LocalUniqueID(s.files.unique))
	if err != nil {
		return err
	}
	res, err := s.build.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true})
	if err != nil {
		return s.captureFailed(ctx, o, err)
	}
	ref, err := res.SingleRef()
	if err != nil {
		return err
	}
	data, err := ref.ReadFile(ctx, gateway.ReadRequest{Filename: "/captured/out"})
	if err != nil {
		return s.kit.explain(ctx, err)
	}
	return os.WriteFile(o.Local, data, 0o600)
}

// captureFailed ends the build, as any failed command does.
func (s *buildSession) captureFailed(ctx context.Context, o *op.Capture, err error) error {
	var exit *gatewaypb.ExitError
	if errors.As(err, &exit) && ctx.Err() == nil && exit.ExitCode < gatewaypb.UnknownExitStatus {
		err = &builders.ExitError{Command: builders.ExecName(o.Run), Code: int(exit.ExitCode)}
	} else {
		err = s.kit.explain(ctx, err)
	}
	s.build.end(context.WithoutCancel(ctx))
	s.build, s.ref = nil, nil
	if err == nil {
		err = fmt.Errorf("%s ended the build", builders.ExecName(o.Run))
	}
	return err
}
