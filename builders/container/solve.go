package container

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
	gatewaypb "github.com/moby/buildkit/frontend/gateway/pb"
	solvererrors "github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/opencontainers/go-digest"
	"google.golang.org/grpc/codes"

	"github.com/ingot-build/ingot/builders"
)

// solve has BuildKit make the state. It reports how many vertices were new
// and whether all of them were cached.
func (s *buildSession) solve(ctx context.Context) (cached bool, n int, err error) {
	def, err := s.state.Marshal(ctx, llb.Platform(s.opts.platform))
	if err != nil {
		return false, 0, err
	}
	fresh, err := s.progress.expect(def)
	if err != nil {
		return false, 0, err
	}
	if len(fresh) == 0 && s.ref != nil {
		return true, 0, nil
	}
	var imports []gateway.CacheOptionsEntry
	for _, c := range s.opts.cacheFrom {
		imports = append(imports, gateway.CacheOptionsEntry{Type: c.Type, Attrs: c.Attrs})
	}
	res, err := s.gw.Solve(ctx, gateway.SolveRequest{Definition: def.ToPB(), Evaluate: true, CacheImports: imports})
	s.progress.settle(ctx, fresh, err != nil)
	if err != nil {
		s.progress.forget(fresh)
		return false, 0, s.explain(ctx, err)
	}
	if s.ref, err = res.SingleRef(); err != nil {
		return false, 0, err
	}
	return s.progress.cached(fresh), len(fresh), nil
}

// vertices returns the digests of the ops of a definition that do something;
// sources only load what is there.
func vertices(def *llb.Definition) ([]digest.Digest, error) {
	var list []digest.Digest
	for _, dt := range def.Def {
		var o pb.Op
		if err := o.UnmarshalVT(dt); err != nil {
			return nil, err
		}
		if o.GetExec() == nil && o.GetFile() == nil {
			continue
		}
		list = append(list, vertexDigest(digest.FromBytes(dt), def))
	}
	return list, nil
}

// vertexDigest is what BuildKit calls an op: one that must not be taken from
// the cache has a name of its own.
func vertexDigest(d digest.Digest, def *llb.Definition) digest.Digest {
	if def.Metadata[d].IgnoreCache {
		return digest.FromString(fmt.Sprintf("%s-ignorecache", d))
	}
	return d
}

// explain turns an error of BuildKit into one for people.
func (s *buildSession) explain(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *gatewaypb.ExitError
	if errors.As(err, &exit) && exit.ExitCode < gatewaypb.UnknownExitStatus {
		return s.exitError(err, int(exit.ExitCode))
	}
	select {
	case <-s.done:
		return s.lost(s.err)
	default:
	}
	if grpcerrors.Code(err) == codes.Unavailable {
		return s.lost(err)
	}
	return errors.New(plain(err))
}

// lost is the error for a daemon that went away.
func (s *buildSession) lost(err error) error {
	if err != nil && grpcerrors.Code(err) != codes.Unavailable && !strings.Contains(err.Error(), "EOF") {
		return errors.New(plain(err))
	}
	return builders.WithHint(fmt.Errorf("%s went away: %w", s.kit.name, builders.ErrConnectionLost), s.kit.hint)
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

// plain is the message of an error of BuildKit in the words of ours.
func plain(err error) string {
	text := err.Error()
	for _, prefix := range []string{"failed to solve: ", "rpc error: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	return strings.ReplaceAll(text, "failed to ", "")
}
