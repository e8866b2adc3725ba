// Package pause waits for a time that a context can end.
package pause

import (
	"context"
	"time"
)

// For waits for d. It returns nil, or the cause of the context's end where
// that came first, also where d is not positive.
func For(ctx context.Context, d time.Duration) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if d <= 0 {
		return nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}
