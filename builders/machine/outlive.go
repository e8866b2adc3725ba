package machine

import (
	"context"
	"time"
)

// lastTime is how long a request that makes something may go on after the
// build was cancelled.
const lastTime = 10 * time.Second

// Outlive returns a context that goes on for 10 s after ctx was cancelled: for
// requests to a cloud whose answer must be known, since what they make is there
// also where nobody waits for it. Whether to begin at all is the caller's.
func Outlive(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() {
		timer := time.AfterFunc(lastTime, func() { cancel(context.Cause(ctx)) })
		context.AfterFunc(out, func() { timer.Stop() })
	})
	return out, func() {
		stop()
		cancel(context.Canceled)
	}
}
