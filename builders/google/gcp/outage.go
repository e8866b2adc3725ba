package gcp

import (
	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/outage"
)

// watchKey is under which a watch is kept among what builders share.
type watchKey struct{ id string }

// watch is that of all builds of the process that reach the cloud the same way.
func (a *Access) watch(h builders.Host) *outage.Watch {
	fresh := &outage.Watch{}
	if h.Shared == nil {
		return fresh
	}
	w, _ := h.Shared.LoadOrStore(watchKey{a.identity(h)}, fresh)
	return w.(*outage.Watch)
}

// Listen has a build's log told when the cloud can't be reached, until stop is
// called.
func (c *Client) Listen(log event.Log) (stop func()) { return c.outages.Listen(log) }
