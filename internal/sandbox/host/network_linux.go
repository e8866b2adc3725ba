package host

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"sync"

	"github.com/containers/gvisor-tap-vsock/pkg/types"
	"github.com/containers/gvisor-tap-vsock/pkg/virtualnetwork"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// The machines of a host share a network that exists in this process only. It
// is taken from the range for benchmarks (RFC 2544), which no real network of
// the user's has.
const (
	subnet     = "198.18.0.0/16"
	gateway    = "198.18.0.1"
	gatewayMAC = "02:00:c6:12:00:01"
	hostAlias  = "198.18.0.2" // is 127.0.0.1 of the host
	firstPeer  = "198.18.1.0"
	mtu        = 1500
)

// metadataAddress is where clouds answer questions about an instance.
const metadataAddress = "169.254.169.254"

// network connects machines to the outside and to their metadata, without a
// change to the host's interfaces, routes or firewall.
type network struct {
	start func() (*virtualnetwork.VirtualNetwork, error)

	mu       sync.Mutex
	last     uint32
	metadata map[netip.Addr]http.Handler // by the machine's address
	server   *http.Server
}

func newNetwork() *network {
	n := &network{metadata: map[netip.Addr]http.Handler{}}
	n.server = &http.Server{Handler: n, ErrorLog: slog.NewLogLogger(slog.DiscardHandler, 0)}
	n.start = sync.OnceValues(func() (*virtualnetwork.VirtualNetwork, error) {
		v, err := virtualnetwork.New(&types.Configuration{
			MTU: mtu, Subnet: subnet, GatewayIP: gateway, GatewayMacAddress: gatewayMAC,
			GatewayVirtualIPs: []string{hostAlias}, NAT: map[string]string{hostAlias: "127.0.0.1"},
		})
		if err != nil {
			return nil, err
		}
		ln, err := v.Listen("tcp", net.JoinHostPort(metadataAddress, "80"))
		if err != nil {
			return nil, err
		}
		go func() { _ = n.server.Serve(ln) }()
		return v, nil
	})
	return n
}

// ServeHTTP answers a machine about itself: it is known by its address.
func (n *network) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	from, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	n.mu.Lock()
	h := n.metadata[from.Addr()]
	n.mu.Unlock()
	if h == nil {
		http.NotFound(w, r)
		return
	}
	h.ServeHTTP(w, r)
}

// serve gives a machine its metadata, nil to end that.
func (n *network) serve(addr netip.Addr, h http.Handler) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if h == nil {
		delete(n.metadata, addr)
	} else {
		n.metadata[addr] = h
	}
}

// peer returns an address for one more machine. They come around again after
// some 60000.
func (n *network) peer() netip.Addr {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.last++
	base := netip.MustParseAddr(firstPeer).As4()
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(base[:])+n.last%(0xfe00))
	return netip.AddrFrom4(a)
}

// link is the network of one machine.
type link struct {
	ns     netns.NsHandle
	addr   netip.Addr
	cancel context.CancelFunc
	tap    *tap // nil where the host has no TAP devices
}

// connect sets up the network namespace of a process. A host that has no TAP
// devices still gets machines that can be reached, but that reach nothing.
func (n *network) connect(pid int) (*link, error) {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, fmt.Errorf("network of the machine: %w", err)
	}
	l := &link{ns: ns, addr: n.peer(), cancel: func() {}}
	if err := l.interfaces(); err != nil {
		l.close()
		return nil, err
	}
	if l.tap == nil {
		return l, nil
	}
	v, err := n.start()
	if err != nil {
		l.close()
		return nil, fmt.Errorf("user-mode network: %w", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	l.tap.ended = ctx.Done()
	go func() { _ = v.AcceptBess(ctx, l.tap) }()
	return l, nil
}

// interfaces gives the namespace a loopback interface and one to the outside.
func (l *link) interfaces() error {
	var file *os.File
	err := l.do(func() (err error) {
		file, err = openTAP("eth0")
		return err
	})
	if err == nil {
		l.tap = &tap{File: file}
	} else if !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENODEV) && !errors.Is(err, unix.EPERM) {
		return err
	}
	h, err := netlink.NewHandleAt(l.ns)
	if err != nil {
		return fmt.Errorf("network of the machine: %w", err)
	}
	defer h.Close()
	lo, err := h.LinkByName("lo")
	if err != nil {
		return err
	}
	if l.tap == nil {
		return up(h, lo, l.addr.String()+"/32")
	}
	if err := up(h, lo); err != nil {
		return err
	}
	eth, err := h.LinkByName("eth0")
	if err != nil {
		return err
	}
	a := l.addr.As4()
	if err := h.LinkSetHardwareAddr(eth, net.HardwareAddr{2, 0, a[0], a[1], a[2], a[3]}); err != nil {
		return err
	}
	if err := up(h, eth, l.addr.String()+"/16"); err != nil {
		return err
	}
	return h.RouteAdd(&netlink.Route{LinkIndex: eth.Attrs().Index, Gw: net.ParseIP(gateway)})
}

// up gives an interface addresses and switches it on.
func up(h *netlink.Handle, dev netlink.Link, addrs ...string) error {
	for _, a := range addrs {
		addr, err := netlink.ParseAddr(a)
		if err != nil {
			return err
		}
		if err := h.AddrAdd(dev, addr); err != nil {
			return fmt.Errorf("address %s: %w", a, err)
		}
	}
	return h.LinkSetUp(dev)
}

// openTAP makes a TAP device in the namespace of this thread. It is gone when
// its file is closed, also because this process was killed.
func openTAP(name string) (*os.File, error) {
	const path = "/dev/net/tun"
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	req, err := unix.NewIfreq(name)
	if err == nil {
		req.SetUint16(unix.IFF_TAP | unix.IFF_NO_PI)
		err = unix.IoctlIfreq(fd, unix.TUNSETIFF, req)
	}
	if err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("make interface %s: %w", name, err)
	}
	return os.NewFile(uintptr(fd), path), nil
}

// do calls f on a thread that is in the machine's network namespace: sockets
// that f makes are the machine's.
func (l *link) do(f func() error) error {
	failed := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		ours, err := netns.Get()
		if err != nil {
			runtime.UnlockOSThread()
			failed <- err
			return
		}
		defer ours.Close()
		if err := netns.Set(l.ns); err != nil {
			runtime.UnlockOSThread()
			failed <- err
			return
		}
		err = f()
		// A thread that can't come back ends with this function.
		if netns.Set(ours) == nil {
			runtime.UnlockOSThread()
		}
		failed <- err
	}()
	return <-failed
}

// dial connects to a port of the machine as one from outside would.
func (l *link) dial(port int) (conn net.Conn, err error) {
	err = l.do(func() error {
		conn, err = net.Dial("tcp4", net.JoinHostPort(l.addr.String(), strconv.Itoa(port)))
		return err
	})
	return conn, err
}

// close takes the machine off the network.
func (l *link) close() {
	l.cancel()
	if l.tap != nil {
		_ = l.tap.Close()
	}
	_ = l.ns.Close()
}
