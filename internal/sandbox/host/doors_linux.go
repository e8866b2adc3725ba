package host

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"syscall"

	"github.com/ingot-build/ingot/builders"
)

// doors are the ports that are open on the block of a sandbox.
type doors struct {
	block netip.Prefix

	mu       sync.Mutex
	open     map[netip.AddrPort]*net.TCPListener
	steering *steering // nil until a port needs it
}

// check says early whether a port can be opened. One that a server of this
// host has on all addresses is steered from then on.
func (d *doors) check(at netip.AddrPort) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.steering != nil {
		return nil
	}
	ln, err := listen(at)
	if err == nil {
		return ln.Close()
	}
	if !errors.Is(err, syscall.EADDRINUSE) || d.open[at] != nil {
		return err
	}
	if failed := d.steer(); failed != nil {
		return builders.WithHint(fmt.Errorf("port %d of its address %s is taken, and can't be steered: %w", at.Port(), at.Addr(), failed),
			fmt.Sprintf("a server of this host listens on all addresses (ss -ltn 'sport = :%d'): stop it, or have it listen on its own address", at.Port()))
	}
	return nil
}

// steer takes all ports of the block.
func (d *doors) steer() error {
	s, err := steer(d.block)
	if err != nil {
		return err
	}
	for at, ln := range d.open {
		if err := s.add(at, ln); err != nil {
			return errors.Join(err, s.close())
		}
	}
	d.steering = s
	return nil
}

// listen opens a port. Where another server has it, the listener is at another
// one, to which connections are steered.
func (d *doors) listen(at netip.AddrPort) (net.Listener, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	ln, err := listen(at)
	if errors.Is(err, syscall.EADDRINUSE) && d.steering != nil && d.open[at] == nil {
		ln, err = listen(netip.AddrPortFrom(at.Addr(), 0))
	}
	if err != nil {
		return nil, err
	}
	if d.steering != nil {
		if err := d.steering.add(at, ln); err != nil {
			return nil, errors.Join(err, ln.Close())
		}
	}
	d.open[at] = ln
	return ln, nil
}

// shut closes a port.
func (d *doors) shut(at netip.AddrPort, ln net.Listener) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.open, at)
	_ = ln.Close()
}

func (d *doors) close() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.steering == nil {
		return nil
	}
	s := d.steering
	d.steering = nil
	return s.close()
}

// listen listens for plain TCP, which is all that can be steered.
func listen(at netip.AddrPort) (*net.TCPListener, error) {
	var config net.ListenConfig
	config.SetMultipathTCP(false)
	ln, err := config.Listen(context.Background(), "tcp4", at.String())
	if err != nil {
		return nil, err
	}
	return ln.(*net.TCPListener), nil
}
