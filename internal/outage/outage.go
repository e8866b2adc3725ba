// Package outage notices that a service can't be reached, and says so in the
// logs of the builds that use it: once, however often it is tried again.
package outage

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ingot-build/ingot/internal/event"
)

// Cause returns in a few words why nothing listens at a service's address, ""
// where an error says something else.
func Cause(err error) string {
	var dns *net.DNSError
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.As(err, &dns) && dns.IsNotFound:
		return "no such host"
	}
	return ""
}

// Watch knows which services can't be reached at the moment. Its zero value is
// ready. It is safe for concurrent use.
type Watch struct {
	mu   sync.Mutex
	logs map[*event.Log]bool
	down map[string]bool
}

// Listen has a build's log told of outages until stop is called.
func (w *Watch) Listen(log event.Log) (stop func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.logs == nil {
		w.logs = map[*event.Log]bool{}
	}
	at := &log
	w.logs[at] = true
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.logs, at)
	}
}

// soon is the time of a request that is one of many.
const soon = time.Minute

// Refused notes that a service, "EC2 at http://127.0.0.1:1", can't be reached.
// The request is tried until then. One that ends soon, or at the zero time, is
// of those that are made again: when nobody asks any more is not known then.
func (w *Watch) Refused(service, cause string, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.down[service] {
		return
	}
	if w.down == nil {
		w.down = map[string]bool{}
	}
	w.down[service] = true
	text := fmt.Sprintf("%s does not answer (%s), trying again", service, cause)
	if time.Until(until) > soon {
		text = fmt.Sprintf("%s does not answer (%s), trying until %s", service, cause, until.Local().Format("15:04"))
	}
	for log := range w.logs {
		log.Say(text)
	}
}

// Answered notes that a service was reached: its next outage is another one.
func (w *Watch) Answered(service string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.down, service)
}

// Error is the error of a service that can't be reached.
type Error struct {
	Service string // "EC2 at http://127.0.0.1:1"
	Cause   string
	Final   bool // it is not to be tried again
	Err     error
}

func (e *Error) Error() string { return e.Service + " does not answer (" + e.Cause + ")" }

// Unwrap returns the connection's error.
func (e *Error) Unwrap() error { return e.Err }

// Hint says what to look at.
func (e *Error) Hint() string {
	return "check the endpoint and the region that the template names, and the network of this host"
}

// Tries is how often one that is in a hurry tries.
const Tries = 3

type hurryKey struct{}

// Hurry returns a context for questions that nothing depends on yet: a service
// that can't be reached is an error after a few tries.
func Hurry(ctx context.Context) context.Context {
	return context.WithValue(ctx, hurryKey{}, new(atomic.Int32))
}

// Final counts a try that did not reach the service, and reports whether that
// was the last one of a context of Hurry.
func Final(ctx context.Context) bool {
	n, ok := ctx.Value(hurryKey{}).(*atomic.Int32)
	return ok && n.Add(1) >= Tries
}
