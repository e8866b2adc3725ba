package container

import (
	"context"
	"errors"
	"time"

	"github.com/moby/buildkit/client"
	gateway "github.com/moby/buildkit/frontend/gateway/client"
)

// build is one open build of BuildKit: a session with it in which any number
// of states is solved, until it is ended with or without a result.
type build struct {
	gateway.Client
	result chan *gateway.Result
	cancel context.CancelFunc

	done chan struct{} // closed when the build has ended, with:
	resp *client.SolveResponse
	err  error
}

// errAbandoned ends a build without a result.
var errAbandoned = errors.New("the session was closed")

// farewell is how long BuildKit may take to let go of a build.
const farewell = 10 * time.Second

// open starts a build, and returns when BuildKit is ready to solve. The build
// outlives ctx.
func (k *kit) open(ctx context.Context, opt client.SolveOpt, p *progress) (*build, error) {
	running, cancel := context.WithCancel(context.WithoutCancel(ctx))
	b := &build{result: make(chan *gateway.Result, 1), cancel: cancel, done: make(chan struct{})}
	ready := make(chan gateway.Client, 1)
	status := make(chan *client.SolveStatus)
	p.follow(status)
	go func() {
		defer close(b.done)
		b.resp, b.err = k.Build(running, opt, "", func(ctx context.Context, gw gateway.Client) (*gateway.Result, error) {
			ready <- gw
			select {
			case res := <-b.result:
				if res == nil {
					return nil, errAbandoned
				}
				return res, nil
			case <-ctx.Done():
				return nil, ctx.Err()
			}
		}, status)
	}()
	select {
	case b.Client = <-ready:
		return b, nil
	case <-b.done:
		cancel()
		return nil, k.explain(ctx, b.err)
	case <-ctx.Done():
		cancel()
		<-b.done
		return nil, ctx.Err()
	}
}

// finish ends the build with a result, which is exported.
func (b *build) finish(ctx context.Context, res *gateway.Result) (*client.SolveResponse, error) {
	select {
	case b.result <- res:
	case <-b.done:
	}
	select {
	case <-b.done:
		return b.resp, b.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// end ends the build, where it has not ended, and waits until BuildKit has let
// go of it: until then it would take part in builds of the same.
func (b *build) end(ctx context.Context) {
	defer b.cancel()
	select {
	case b.result <- nil:
	default: // it has its result
	}
	timer := time.NewTimer(farewell)
	defer timer.Stop()
	select {
	case <-b.done:
	case <-timer.C:
	case <-ctx.Done():
	}
}

// ended reports whether the build ended by itself.
func (b *build) ended() bool {
	select {
	case <-b.done:
		return true
	default:
		return false
	}
}
