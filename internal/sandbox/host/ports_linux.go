package host

import (
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// ports opens ports of a machine on its loopback addresses.
type ports struct {
	spec  Spec
	link  *link
	doors *doors

	mu     sync.Mutex
	timer  *time.Timer
	ready  bool // it is time for them to be open
	closed bool
	open   map[netip.AddrPort]net.Listener
	conns  map[net.Conn]bool
}

func newPorts(s Spec, l *link, d *doors) *ports {
	return &ports{spec: s, link: l, doors: d, open: map[netip.AddrPort]net.Listener{}, conns: map[net.Conn]bool{}}
}

// wanted are the ports that should be open.
func wanted(s Spec) []netip.AddrPort {
	if s.OpenPorts == nil {
		return nil
	}
	var all []netip.AddrPort
	for _, port := range s.OpenPorts() {
		for _, addr := range s.Addrs {
			all = append(all, netip.AddrPortFrom(addr, uint16(port)))
		}
	}
	return all
}

// openAt opens the ports at a time.
func (p *ports) openAt(t time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer = time.AfterFunc(time.Until(t), func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.ready = true
		p.update()
	})
}

// reopen opens and closes ports as is wanted now.
func (p *ports) reopen() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ready {
		p.update()
	}
}

// update opens and closes ports.
func (p *ports) update() {
	if p.closed {
		return
	}
	all := wanted(p.spec)
	for at, ln := range p.open {
		if !slices.Contains(all, at) {
			p.doors.shut(at, ln)
			delete(p.open, at)
		}
	}
	for _, at := range all {
		if p.open[at] != nil {
			continue
		}
		ln, err := p.doors.listen(at)
		if err != nil {
			continue // another process has been faster since the check
		}
		p.open[at] = ln
		go p.serve(ln, int(at.Port()))
	}
}

func (p *ports) serve(ln net.Listener, port int) {
	for {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		go p.splice(c.(*net.TCPConn), port)
	}
}

// splice connects a client with a port of the machine. Where nothing listens
// there, the client's connection is reset.
func (p *ports) splice(client *net.TCPConn, port int) {
	defer client.Close()
	c, err := p.link.dial(port)
	if err != nil {
		_ = client.SetLinger(0)
		return
	}
	server := c.(*net.TCPConn)
	defer server.Close()
	if !p.track(client, true) {
		return
	}
	defer p.track(client, false)
	var wg sync.WaitGroup
	wg.Go(func() { pump(server, client) })
	pump(client, server)
	wg.Wait()
}

// pump copies one direction, and passes on its end.
func pump(to, from *net.TCPConn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = to.SetLinger(0)
		_ = to.Close()
		_ = from.Close()
		return
	}
	_ = to.CloseWrite()
}

// track keeps the connections that the machine's end cuts.
func (p *ports) track(c net.Conn, on bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return false
	}
	if on {
		p.conns[c] = true
	} else {
		delete(p.conns, c)
	}
	return true
}

func (p *ports) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	if p.timer != nil {
		p.timer.Stop()
	}
	for at, ln := range p.open {
		p.doors.shut(at, ln)
	}
	for c := range p.conns {
		_ = c.Close()
	}
}
