package gce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// works are what operations do beside taking time.
func works() map[string]func(*Server, *operation) error {
	return map[string]func(*Server, *operation) error{
		"instances.insert":           launch,
		"instances.start":            launch,
		"instances.stop":             halt,
		"instances.delete":           terminate,
		"instances.reset":            reset,
		"images.insert":              makeImage,
		"images.delete":              removeWhenDone,
		"disks.insert":               makeDisk,
		"disks.delete":               removeWhenDone,
		"regionDisks.insert":         makeDisk,
		"regionDisks.delete":         removeWhenDone,
		"disks.createSnapshot":       makeSnapshot,
		"regionDisks.createSnapshot": makeSnapshot,
		"snapshots.insert":           makeSnapshot,
		"snapshots.delete":           removeWhenDone,
		"networks.delete":            removeWhenDone,
		"subnetworks.delete":         removeWhenDone,
		"addresses.delete":           removeWhenDone,
		"firewalls.insert":           reopen,
		"firewalls.delete":           reopen,
	}
}

// shutdown is how long a machine has to shut down, as the service gives it.
const shutdown = 90 * time.Second

// machine is the name of a disk's machine on the host.
func (r *resource) machine() string { return fmt.Sprintf("gce-%d", r.ID) }

// blank is the file of a disk that has a file tree, for where it is another
// disk of a machine: it gets the tree of an image, as a file system. That of a
// disk that a machine has booted from is empty.
func (r *resource) blank() string { return fmt.Sprintf("%d-blank.img", r.ID) }

// bootDisk is that of an instance.
func (s *Server) bootDisk(r *resource) (*resource, error) {
	if len(r.Instance.Disks) == 0 || !r.Instance.Disks[0].Boot {
		return nil, badRequest("The instance '%s' has no boot disk", r.Instance.Name)
	}
	at := strings.TrimPrefix(r.Instance.Disks[0].Source, link(""))
	_, disk, err := s.state.get(at)
	return disk, err
}

// launch brings an instance from where it is to RUNNING.
func launch(s *Server, op *operation) error {
	var disks []string
	var err error
	var up bool
	s.locked(func() {
		r := s.state.Resources[op.Target]
		if r == nil || s.machines[op.Target] != nil {
			up = true
			return
		}
		for _, d := range r.Instance.Disks {
			if d.Source != "" {
				disks = append(disks, strings.TrimPrefix(d.Source, link("")))
			}
		}
		err = s.renewAddresses(r)
	})
	if up || err != nil {
		return err
	}
	for i, path := range disks {
		err := s.fill(path)
		if err == nil && i > 0 {
			err = s.plant(path)
		}
		if err != nil {
			return s.failed(op, err)
		}
	}
	if err := s.base(s.ctx, disks[0]); err != nil {
		return s.failed(op, err)
	}
	s.locked(func() { s.progress(op.Target, "STAGING") })
	running := op.Began.Add(s.options.Timing.Running)
	if now := time.Now(); running.Before(now) {
		running = now
	}
	if err := s.boot(op.Target, running.Add(s.options.Timing.SSH)); err != nil {
		return s.failed(op, err)
	}
	if err := s.pause(running); err != nil {
		return err
	}
	s.locked(func() { s.running(op.Target) })
	return nil
}

// failed undoes the creation of an instance whose machine does not start.
func (s *Server) failed(op *operation, err error) error {
	if s.ctx.Err() != nil {
		return err
	}
	if op.Call == "instances.insert" {
		return errors.Join(err, s.discard(op))
	}
	s.locked(func() {
		if r := s.state.Resources[op.Target]; r != nil {
			s.setStatus(r, "TERMINATED")
		}
	})
	return err
}

// progress sets the status of an instance that is coming up.
func (s *Server) progress(path, status string) {
	if r := s.state.Resources[path]; r != nil && (r.Instance.Status == "PROVISIONING" || r.Instance.Status == "STAGING") {
		s.setStatus(r, status)
	}
}

func (s *Server) running(path string) {
	r := s.state.Resources[path]
	if r == nil {
		return
	}
	now := time.Now()
	s.progress(path, "RUNNING")
	r.Instance.LastStartTimestamp = stamp(now)
	if d := r.Instance.Scheduling.MaxRunDuration; d != nil && d.Seconds > 0 {
		end := now.Add(time.Duration(d.Seconds) * time.Second)
		r.Ends = &end
	}
	s.arm(path, r)
}

// renewAddresses gives an instance that starts again new addresses for those
// that it lost when it stopped.
func (s *Server) renewAddresses(r *resource) error {
	for _, n := range r.Instance.NetworkInterfaces {
		for _, a := range n.AccessConfigs {
			if a.NatIP != "" {
				continue
			}
			ip, err := s.options.Host.Address()
			if err != nil {
				return err
			}
			a.NatIP, s.dirty = ip.String(), true
		}
	}
	return nil
}

// boot starts the machine of an instance.
func (s *Server) boot(path string, reachable time.Time) error {
	var spec host.Spec
	var err error
	s.locked(func() { spec, err = s.spec(path, reachable) })
	if err != nil {
		return err
	}
	m, err := s.options.Host.Start(s.ctx, spec)
	if err != nil {
		return err
	}
	s.locked(func() {
		s.machines[path] = m
		s.task(func() { s.watch(path, m) })
	})
	return nil
}

func (s *Server) spec(path string, reachable time.Time) (host.Spec, error) {
	r := s.state.Resources[path]
	if r == nil {
		return host.Spec{}, notFound(path)
	}
	disk, err := s.bootDisk(r)
	if err != nil {
		return host.Spec{}, err
	}
	layers := disk.Content.tree()
	disk.Content.Machine, s.dirty = disk.machine(), true
	spec := host.Spec{
		ID: disk.machine(), Layers: layers, Hostname: cmp.Or(r.Instance.Hostname, r.Instance.Name),
		Reachable: reachable, Users: s.users(r), EveryBoot: s.bootScript(r),
		OpenPorts: func() []int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.openPorts(path)
		},
		Metadata:      s.metadataServer(path),
		MetadataNames: []string{"metadata.google.internal", "metadata", storageHost},
	}
	for _, n := range r.Instance.NetworkInterfaces {
		addrs := []string{n.NetworkIP}
		for _, a := range n.AccessConfigs {
			addrs = append(addrs, a.NatIP)
		}
		for _, text := range addrs {
			// Internal addresses that the user chose are not of the loopback network.
			if ip, err := netip.ParseAddr(text); err == nil && ip.IsLoopback() {
				spec.Addrs = append(spec.Addrs, ip)
			}
		}
	}
	if len(spec.Addrs) == 0 {
		ip, err := s.options.Host.Address()
		if err != nil {
			return host.Spec{}, err
		}
		r.Reach, spec.Addrs = ip.String(), []netip.Addr{ip}
	}
	spec.Disks = s.dataDisks(r)
	return spec, nil
}

// dataDisks are the block devices of an instance, from /dev/sdb on.
func (s *Server) dataDisks(r *resource) []host.Disk {
	var all []host.Disk
	scratch := r.Scratch
	for i, d := range r.Instance.Disks {
		if i == 0 && d.Boot {
			continue
		}
		file := ""
		if d.Source == "" {
			file, scratch = scratch[0], scratch[1:]
		} else if disk := s.state.Resources[strings.TrimPrefix(d.Source, link(""))]; disk != nil {
			file = cmp.Or(disk.Content.File, disk.blank())
		}
		all = append(all, host.Disk{Device: deviceName(len(all)), File: s.file(file), Size: d.DiskSizeGb << 30})
	}
	return all
}

func deviceName(n int) string { return "/dev/sd" + string(rune('b'+n)) }

// watch waits for the end of a machine and does what follows from it.
func (s *Server) watch(path string, m host.Machine) {
	select {
	case <-m.Done():
	case <-s.ctx.Done():
		return
	}
	var mine bool
	s.locked(func() {
		if mine = s.machines[path] == m; mine {
			delete(s.machines, path)
		}
	})
	if !mine {
		return // it was told to end
	}
	if m.Exit() == host.Rebooted {
		if err := s.boot(path, time.Time{}); err == nil {
			return
		}
	}
	s.locked(func() {
		if r := s.state.Resources[path]; r != nil && r.Instance.Status == "RUNNING" {
			s.setStatus(r, "STOPPING")
		}
	})
	if s.pause(time.Now().Add(s.options.Timing.Stopping)) == nil {
		s.locked(func() { s.stopped(path) })
	}
}

// take removes the machine of an instance from those that are watched.
func (s *Server) take(path string) host.Machine {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.machines[path]
	delete(s.machines, path)
	if t := s.timers[path]; t != nil {
		t.Stop()
		delete(s.timers, path)
	}
	return m
}

// down shuts the machine of an instance down.
func (s *Server) down(path string) error {
	m := s.take(path)
	if m == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.ctx, shutdown)
	defer cancel()
	return m.Stop(ctx)
}

func halt(s *Server, op *operation) error {
	if err := s.down(op.Target); err != nil {
		return err
	}
	if err := s.pause(time.Now().Add(s.options.Timing.Stopping)); err != nil {
		return err
	}
	s.locked(func() { s.stopped(op.Target) })
	return nil
}

// stopped is what there is to do when the machine of an instance has ended.
func (s *Server) stopped(path string) {
	r := s.state.Resources[path]
	if r == nil || r.Instance.Status != "STOPPING" {
		return
	}
	s.setStatus(r, "TERMINATED")
	r.Instance.LastStopTimestamp, r.Ends = stamp(time.Now()), nil
	for _, n := range r.Instance.NetworkInterfaces {
		for _, a := range n.AccessConfigs {
			if s.reserved(path, a.NatIP) == nil {
				a.NatIP = ""
			}
		}
	}
}

func terminate(s *Server, op *operation) error {
	if err := s.down(op.Target); err != nil {
		return err
	}
	if err := s.pause(time.Now().Add(s.options.Timing.Terminating)); err != nil {
		return err
	}
	return s.discard(op)
}

// discard removes an instance and those of its disks that go with it, but no
// disk that is being copied: the operation says so.
func (s *Server) discard(op *operation) error {
	var gone []string
	s.locked(func() {
		r := s.state.Resources[op.Target]
		if r == nil {
			return
		}
		s.occupy(op.Target, r.Instance, false)
		for _, d := range r.Instance.Disks {
			at := strings.TrimPrefix(d.Source, link(""))
			disk := s.state.Resources[at]
			if disk == nil {
				continue
			}
			disk.attached(op.Target, false)
			switch {
			case !d.AutoDelete || len(disk.Disk.Users) > 0:
			case s.beingCopied(at) != "":
				op.warn(at)
			default:
				gone = append(gone, at)
			}
		}
		gone = append(gone, op.Target)
		s.dirty = true
	})
	for _, path := range gone {
		if err := s.erase(path); err != nil {
			return err
		}
	}
	return nil
}

func reset(s *Server, op *operation) error {
	if m := s.take(op.Target); m != nil {
		m.Kill()
		select {
		case <-m.Done():
		case <-s.ctx.Done():
		}
	}
	if err := s.pause(op.Began.Add(s.options.Timing.Operation)); err != nil {
		return err
	}
	err := s.boot(op.Target, time.Now().Add(s.options.Timing.SSH))
	s.locked(func() {
		if r := s.state.Resources[op.Target]; r != nil {
			s.arm(op.Target, r)
		}
	})
	return err
}
