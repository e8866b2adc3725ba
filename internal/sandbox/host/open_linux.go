package host

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/ingot-build/ingot/builders"
)

// local is the Host of this machine.
//
//	layers/ID            a frozen tree, or a link to a base in the cache
//	machines/ID/upper    what a machine has changed
//	machines/ID/console  what it has printed
//	machines/ID/booted   is there once it has booted
type local struct {
	dir, cache string
	network    *network
	addresses  *addresses
	doors      *doors
	program    program

	mu     sync.Mutex
	disks  map[string]*disk
	bases  map[string]*base
	closed bool
}

// disk is what there is of a machine, running or not.
type disk struct {
	dir string

	mu      sync.Mutex // held while the machine starts or its disk is copied
	running *machine
}

// Open returns the host that keeps its machines below dir, and the bases that
// several sandboxes share below cache. It needs root.
func Open(dir, cache string) (Host, error) {
	if err := mayMount(); err != nil {
		return nil, err
	}
	var err error
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, err
	}
	if cache, err = filepath.Abs(cache); err != nil {
		return nil, err
	}
	for _, d := range []string{filepath.Join(dir, "layers"), filepath.Join(dir, "machines"), cache} {
		if err := os.MkdirAll(d, 0o711); err != nil {
			return nil, err
		}
	}
	if err := mayOverlay(dir); err != nil {
		return nil, err
	}
	a, err := reserve(filepath.Join(dir, "addresses"))
	if err != nil {
		return nil, err
	}
	// From here on no other process works in this folder.
	unfinished, err := filepath.Glob(filepath.Join(dir, "layers", ".*"))
	if err != nil {
		return nil, err
	}
	for _, path := range unfinished {
		if err := os.RemoveAll(path); err != nil {
			return nil, err
		}
	}
	here, err := beside()
	if err != nil {
		return nil, err
	}
	p, err := findProgram(here)
	if err != nil {
		return nil, err
	}
	return &local{
		dir: dir, cache: cache, network: newNetwork(), addresses: a, program: p,
		doors: &doors{block: a.prefix(), open: map[netip.AddrPort]*net.TCPListener{}},
		disks: map[string]*disk{}, bases: map[string]*base{},
	}, nil
}

// mayOverlay says why machines can't have their disks in a folder.
func mayOverlay(dir string) error {
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		return &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	if fs.Type == unix.OVERLAYFS_SUPER_MAGIC {
		return builders.WithHint(fmt.Errorf("%s is on an overlay file system, on which the disks of machines can't be", dir),
			"in a container, mount a volume or a tmpfs there")
	}
	return nil
}

// mayMount says why this process can't make machines.
func mayMount() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	if caps[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 {
		return errors.New("the sandbox's machines are made of namespaces and mounts, for which it needs root (CAP_SYS_ADMIN): run it with sudo")
	}
	return nil
}

// Address returns an address that no other machine has.
func (h *local) Address() (netip.Addr, error) { return h.addresses.next() }

// disk returns the place of a machine's disk.
func (h *local) disk(id string) (*disk, error) {
	if id == "" || strings.ContainsAny(id, "/:,\\") || id[0] == '.' {
		return nil, fmt.Errorf("%q can't be the id of a machine", id)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errors.New("the sandbox is closed")
	}
	d := h.disks[id]
	if d == nil {
		d = &disk{dir: filepath.Join(h.dir, "machines", id)}
		h.disks[id] = d
	}
	return d, nil
}

// Remove removes a machine's disk.
func (h *local) Remove(id string) error {
	d, err := h.disk(id)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running != nil {
		d.running.Kill()
		<-d.running.Done()
	}
	if err := os.RemoveAll(d.dir); err != nil {
		return fmt.Errorf("remove machine %s: %w", id, err)
	}
	h.mu.Lock()
	delete(h.disks, id)
	h.mu.Unlock()
	return nil
}

// Close ends all machines.
func (h *local) Close() error {
	h.mu.Lock()
	h.closed = true
	disks := maps.Clone(h.disks)
	h.mu.Unlock()
	var all []*machine
	for _, d := range disks {
		d.mu.Lock()
		if d.running != nil {
			d.running.Kill()
			all = append(all, d.running)
		}
		d.mu.Unlock()
	}
	for _, m := range all {
		<-m.Done()
	}
	return errors.Join(h.network.server.Close(), h.doors.close(), h.addresses.close(), h.program.Close())
}

// Start boots a machine.
func (h *local) Start(ctx context.Context, s Spec) (Machine, error) {
	d, err := h.disk(s.ID)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.running != nil && !d.running.over() {
		return nil, fmt.Errorf("machine %s runs already", s.ID)
	}
	if _, err := h.disk(s.ID); err != nil { // it was closed meanwhile
		return nil, err
	}
	m, err := h.boot(ctx, d, s)
	if err != nil {
		return nil, fmt.Errorf("boot machine %s: %w", s.ID, err)
	}
	d.running = m
	return m, nil
}
