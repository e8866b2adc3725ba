package ec2

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"slices"
	"sync"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// memory is a host whose machines are nothing but their descriptions.
type memory struct {
	mu       sync.Mutex
	addrs    int
	layers   int
	removed  []host.LayerID
	machines map[string]*memoryMachine
	changed  chan struct{} // closed and replaced at each change
	refuse   error         // what Start answers
}

func newMemory() *memory {
	return &memory{machines: map[string]*memoryMachine{}, changed: make(chan struct{})}
}

type memoryMachine struct {
	host  *memory
	spec  host.Spec
	boots int
	done  chan struct{}
	exit  host.Exit
}

func (h *memory) note() {
	close(h.changed)
	h.changed = make(chan struct{})
}

func (h *memory) Base(_ context.Context, b host.Base, _ io.Writer) (host.LayerID, error) {
	return host.LayerID("base-" + b.Suite + b.OCI), nil
}

func (h *memory) Address() (netip.Addr, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.addrs++
	return netip.AddrFrom4([4]byte{127, 9, byte(h.addrs >> 8), byte(h.addrs)}), nil
}

func (h *memory) Start(_ context.Context, s host.Spec) (host.Machine, error) {
	_ = s.OpenPorts() // takes the server's lock
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.refuse != nil {
		return nil, h.refuse
	}
	boots := 1
	if old := h.machines[s.ID]; old != nil {
		boots += old.boots
	}
	m := &memoryMachine{host: h, spec: s, boots: boots, done: make(chan struct{})}
	h.machines[s.ID] = m
	h.note()
	return m, nil
}

func (h *memory) Freeze(_ context.Context, id string) (host.LayerID, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.machines[id] == nil {
		return "", fmt.Errorf("no machine %s", id)
	}
	h.layers++
	return host.LayerID(fmt.Sprintf("layer-%d", h.layers)), nil
}

func (h *memory) WriteDisk(_ context.Context, _ []host.LayerID, file string, size int64) error {
	return os.WriteFile(file, nil, 0o600)
}

func (h *memory) Console(id string) ([]byte, error) { return []byte("console of " + id), nil }

func (h *memory) Remove(id string) error {
	h.mu.Lock()
	m := h.machines[id]
	delete(h.machines, id)
	h.note()
	h.mu.Unlock()
	if m != nil {
		m.Kill()
	}
	return nil
}

func (h *memory) RemoveLayer(l host.LayerID) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.removed = append(h.removed, l)
	h.note()
	return nil
}

func (h *memory) Close() error { return nil }

// machine returns the machine of an instance; nil is none.
func (h *memory) machine(id string) *memoryMachine {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.machines[id]
}

// until waits until the host is as check says.
func (h *memory) until(ctx context.Context, check func() bool) error {
	for {
		h.mu.Lock()
		changed := h.changed
		ok := check()
		h.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h *memory) isRemoved(l host.LayerID) bool { return slices.Contains(h.removed, l) }

func (m *memoryMachine) Done() <-chan struct{} { return m.done }
func (m *memoryMachine) Exit() host.Exit       { return m.exit }

func (m *memoryMachine) end(e host.Exit) {
	m.host.mu.Lock()
	defer m.host.mu.Unlock()
	if m.exit == "" {
		m.exit = e
		close(m.done)
	}
}

func (m *memoryMachine) Stop(context.Context) error { m.end(host.Halted); return nil }
func (m *memoryMachine) Kill()                      { m.end(host.Killed) }
func (m *memoryMachine) Reopen()                    {}
func (m *memoryMachine) SetUsers([]host.User) error { return nil }
