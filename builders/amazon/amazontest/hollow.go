package amazontest

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"sync"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// hollow is a host whose machines are nothing but their state.
type hollow struct {
	mu sync.Mutex
	n  int
}

func (h *hollow) next() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.n++
	return h.n
}

func (h *hollow) Base(context.Context, host.Base, io.Writer) (host.LayerID, error) {
	return "base", nil
}

func (h *hollow) Address() (netip.Addr, error) {
	n := h.next()
	return netip.AddrFrom4([4]byte{127, 99, byte(n >> 8), byte(n)}), nil
}

func (h *hollow) Start(context.Context, host.Spec) (host.Machine, error) {
	return &shell{done: make(chan struct{})}, nil
}

func (h *hollow) Freeze(context.Context, string) (host.LayerID, error) {
	return host.LayerID(fmt.Sprintf("layer-%d", h.next())), nil
}

func (h *hollow) WriteDisk(context.Context, []host.LayerID, string, int64) error { return nil }

func (h *hollow) Console(string) ([]byte, error) { return nil, nil }
func (h *hollow) Remove(string) error            { return nil }
func (h *hollow) RemoveLayer(host.LayerID) error { return nil }
func (h *hollow) Close() error                   { return nil }

// shell is a machine without anything in it.
type shell struct {
	once sync.Once
	done chan struct{}
	exit host.Exit
}

func (m *shell) end(e host.Exit) {
	m.once.Do(func() {
		m.exit = e
		close(m.done)
	})
}

func (m *shell) Done() <-chan struct{}      { return m.done }
func (m *shell) Exit() host.Exit            { return m.exit }
func (m *shell) Stop(context.Context) error { m.end(host.Halted); return nil }
func (m *shell) Kill()                      { m.end(host.Killed) }
func (m *shell) Reopen()                    {}
func (m *shell) SetUsers([]host.User) error { return nil }
