package sandbox

import (
	"context"
	"sync/atomic"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// machines counts the machines of a host that run.
type machines struct {
	host.Host
	count atomic.Int64
}

func (m *machines) Start(ctx context.Context, s host.Spec) (host.Machine, error) {
	machine, err := m.Host.Start(ctx, s)
	if err != nil {
		return nil, err
	}
	m.count.Add(1)
	go func() {
		<-machine.Done()
		m.count.Add(-1)
	}()
	return machine, nil
}

func (m *machines) running() int { return int(m.count.Load()) }
