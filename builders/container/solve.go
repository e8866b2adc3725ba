package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	solvererrors "github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc/codes"

	"github.com/ingot-build/ingot/builders"
)

// solve has BuildKit make the state.
func (s *buildSession) solve(ctx context.Context) error {
	def, err := s.state.Marshal(ctx, llb.Platform(s.opts.platform), llb.LocalUniqueID(s.files.unique))
	if err != nil {
		return err
	}
	fresh := s.progress.expect(vertices(def))
	if len(fresh) == 0 && s.ref != nil {
		return nil
	}
	var imports []gateway.CacheOptionsEntry
	for _, c := range s.opts.cacheFrom {
		imports = append(imports, gateway.CacheOptionsEntry{Type: c.Type, Attrs: c.Attrs})
	}
	res, err := s.build.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true, CacheImports: imports})
	s.progress.settle(ctx, fresh, err != nil)
	if err != nil {
		return s.failed(ctx, fresh, err)
	}
	if s.ref, err = res.SingleRef(); err != nil {
		return err
	}
	s.solved = def
	s.ran.layers += len(fresh)
	s.ran.fresh = s.ran.fresh || !s.progress.cached(fresh)
	return nil
}

// failed ends the build in which a solve has failed.
func (s *buildSession) failed(ctx context.Context, fresh []digest.Digest, err error) error {
	defer s.progress.forget(fresh)
	if s.build.ended() {
		err = s.build.err
	}
	s.build.end(context.WithoutCancel(ctx))
	s.build, s.ref = nil, nil
	if why := s.plays.failure(); why != nil && ctx.Err() == nil {
		return why
	}
	var exit *gatewaypb.ExitError
	if ctx.Err() == nil && errors.As(err, &exit) && exit.ExitCode < gatewaypb.UnknownExitStatus {
		return s.exitError(err, int(exit.ExitCode))
	}
	if text := s.progress.failure(fresh); text != "" && ctx.Err() == nil {
		return errors.New(text)
	}
	return s.kit.explain(ctx, err)
}

// vertices returns the ops that make layers, with what each does. Other ops
// load what is there, or make what a command is given.
func vertices(def *llb.Definition) map[digest.Digest]string {
	list := map[digest.Digest]string{}
	for _, dt := range def.Def {
		d := digest.FromBytes(dt)
		if text := def.Metadata[d].Description[layerMark]; text != "" {
			list[d] = text
		}
	}
	return list
}

// explain turns an error of BuildKit into one for people.
func (k *kit) explain(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	case grpcerrors.Code(err) == codes.Unavailable, errors.Is(err, io.EOF):
		return builders.WithHint(fmt.Errorf("%s went away: %w", k.name, builders.ErrConnectionLost), k.hint)
	}
	return errors.New(plain(err))
}

func (s *buildSession) exitError(err error, code int) error {
	out := &builders.ExitError{Command: "command", Code: code}
	var solve *solvererrors.SolveError
	if errors.As(err, &solve) {
		argv := solve.GetOp().GetExec().GetMeta().GetArgs()
		if text, ok := s.commands[commandKey(argv)]; ok {
			out.Command = text
		}
	}
	return out
}

// innards are paths of BuildKit's own in its messages.
var innards = regexp.MustCompile(`/\S*/(cachemounts/buildkit\d+|snapshots/\d+/fs)`)

// plain is the message of an error of BuildKit in the words of ours.
func plain(err error) string { return plainText(err.Error()) }

func plainText(text string) string {
	for _, prefix := range []string{"failed to solve: ", "rpc error: code = Unknown desc = "} {
		text = strings.ReplaceAll(text, prefix, "")
	}
	return innards.ReplaceAllString(strings.ReplaceAll(text, "failed to ", ""), "")
}
