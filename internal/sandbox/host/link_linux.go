package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// link is the network of one machine.
type link struct {
	ns     netns.NsHandle
	addr   netip.Addr
	own    []netip.Addr // Spec.Addrs
	cancel context.CancelFunc
	tap    *tap // nil where the host has no TAP devices
}

// connect sets up the network namespace of a process. A host that has no TAP
// devices still gets machines that can be reached, but that reach nothing.
func (n *network) connect(pid int, own []netip.Addr) (*link, error) {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, fmt.Errorf("network of the machine: %w", err)
	}
	l := &link{ns: ns, addr: n.peer(), own: own, cancel: func() {}}
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
	if err := up(h, lo, loopback); err != nil {
		return err
	}
	whole, err := netlink.ParseAddr("127.0.0.1/8")
	if err != nil {
		return err
	}
	if err := h.AddrDel(lo, whole); err != nil {
		return fmt.Errorf("address %s: %w", whole, err)
	}
	return l.outside(h)
}

// outside sets up the interface to the shared network. The machine's own
// addresses are on it, so that machines reach each other at them.
func (l *link) outside(h *netlink.Handle) error {
	eth, err := h.LinkByName("eth0")
	if err != nil {
		return err
	}
	a := l.addr.As4()
	if err := h.LinkSetHardwareAddr(eth, net.HardwareAddr{2, 0, a[0], a[1], a[2], a[3]}); err != nil {
		return err
	}
	for name, value := range map[string]string{"ipv4/conf/eth0/route_localnet": "1", "ipv6/conf/eth0/disable_ipv6": "1"} {
		err := l.do(func() error { return os.WriteFile("/proc/sys/net/"+name, []byte(value), 0) })
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	addrs := []string{l.addr.String() + "/16"}
	for _, own := range l.own {
		addrs = append(addrs, own.String()+"/32")
	}
	if err := up(h, eth, addrs...); err != nil {
		return err
	}
	_, all, err := net.ParseCIDR("127.0.0.0/8")
	if err != nil {
		return err
	}
	index := eth.Attrs().Index
	err = h.RouteAdd(&netlink.Route{LinkIndex: index, Dst: all, Scope: netlink.SCOPE_LINK, Src: l.addr.AsSlice()})
	if err != nil {
		return fmt.Errorf("route to other machines: %w", err)
	}
	return h.RouteAdd(&netlink.Route{LinkIndex: index, Gw: net.ParseIP(gateway)})
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
	const flags = unix.O_RDWR | unix.O_CLOEXEC | unix.O_NONBLOCK
	fd, err := unix.Open(path, flags, 0)
	if errors.Is(err, unix.ENOENT) && os.MkdirAll(filepath.Dir(path), 0o755) == nil &&
		unix.Mknod(path, unix.S_IFCHR|0o666, int(unix.Mkdev(10, 200))) == nil {
		fd, err = unix.Open(path, flags, 0)
	}
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
