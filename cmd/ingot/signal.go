package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// untilSignal returns a context that the first signal to stop ends. A second
// one ends the process at once.
func untilSignal() context.Context {
	signal.Ignore(syscall.SIGPIPE) // a reader that goes away does not stop the builds
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx
}
