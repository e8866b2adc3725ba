package ec2

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/rootdisk"
)

// runtime is what there is of an instance beside its state.
type runtime struct {
	machine host.Machine       // while it is meant to run
	tail    chan struct{}      // closed when what was last queued for it is done
	giveUp  context.CancelFunc // ends a boot that is under way
}

func (s *Server) runtime(id string) *runtime {
	rt := s.runtimes[id]
	if rt == nil {
		rt = &runtime{}
		s.runtimes[id] = rt
	}
	return rt
}

// queue has f run when all that was queued for the instance before is done.
// The server is locked; f runs without the lock.
func (s *Server) queue(id string, f func()) {
	rt := s.runtime(id)
	before, done := rt.tail, make(chan struct{})
	rt.tail = done
	s.work.Go(func() {
		defer close(done)
		if before != nil {
			<-before
		}
		if s.ctx.Err() == nil {
			f()
		}
	})
}

// change runs f with an instance and the server locked, and stores what it
// changed. It does nothing for an instance that is gone.
func (s *Server) change(id string, f func(*region, *instance)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.state.Regions {
		if i := r.Instances[id]; i != nil {
			f(r, i)
			s.save()
			return
		}
	}
}

// latest returns the later of two times.
func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// boot starts the machine of an instance that is in phase starting. It is
// running at the time ready, at the earliest.
func (s *Server) boot(id string, ready time.Time) {
	var spec host.Spec
	var from content
	var blanks []blank
	wanted := false
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	s.change(id, func(r *region, i *instance) {
		if wanted = i.Phase == starting; wanted {
			s.runtime(id).giveUp = cancel
			from = i.Content
			spec = s.spec(r, i, ready.Add(s.Timing.SSH))
			blanks = s.disks(r, i, &spec)
		}
	})
	if !wanted {
		return
	}
	m, err := s.start(ctx, spec, from, blanks)
	s.change(id, func(_ *region, i *instance) {
		s.runtime(id).giveUp = nil
		if err != nil && ctx.Err() != nil {
			return // not wanted any more
		}
		if err != nil {
			s.Log.Error("boot", slog.String("instance", id), slog.Any("error", err))
			if i.Phase == starting {
				i.ReasonCode, i.Reason = "Server.InternalError", fmt.Sprintf("Server.InternalError: %v", err)
				s.terminate(i)
			}
			return
		}
		s.runtime(id).machine = m
		i.Booted = true
		if i.Phase == starting && i.Done.IsZero() {
			i.Done = latest(time.Now(), ready)
		}
		s.work.Go(func() { s.watch(id, m) })
	})
}

// start makes what the machine needs and starts it.
func (s *Server) start(ctx context.Context, spec host.Spec, from content, blanks []blank) (host.Machine, error) {
	for _, b := range blanks {
		if err := b.make(); err != nil {
			return nil, err
		}
	}
	layers, err := s.layers(ctx, from)
	if err != nil {
		return nil, err
	}
	spec.Layers = layers
	return s.Host.Start(ctx, spec)
}

// layers returns the file trees of a root disk. The base, of the catalogue or
// what is on a block device, is made when it is not there yet.
func (s *Server) layers(ctx context.Context, from content) ([]host.LayerID, error) {
	if from.File != "" {
		ref, err := rootdisk.Layout(ctx, from.File)
		if err != nil {
			return nil, err
		}
		from.Base = &host.Base{OCI: ref}
	}
	if from.Base == nil {
		return from.Layers, nil
	}
	base, err := s.Host.Base(ctx, *from.Base, logWriter{s.Log})
	if err != nil {
		return nil, err
	}
	return append([]host.LayerID{base}, from.Layers...), nil
}

// logWriter logs the progress of making a base.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Info("base", slog.String("output", string(p)))
	return len(p), nil
}

// spec describes the machine of an instance.
func (s *Server) spec(r *region, i *instance, reachable time.Time) host.Spec {
	id := i.ID
	spec := host.Spec{
		ID: id, Hostname: "ip-" + dashed(i.Private.String()), Reachable: reachable, Metadata: &imds{s, id},
		MetadataNames: []string{"instance-data", "instance-data.ec2.internal"},
		OpenPorts: func() []int {
			s.mu.Lock()
			defer s.mu.Unlock()
			return r.ports(i.Groups)
		},
		FirstBoot: firstBoot(i.Launch.UserData),
	}
	spec.Addrs = append(spec.Addrs, i.Private)
	if i.Public.IsValid() {
		spec.Addrs = append(spec.Addrs, i.Public)
	}
	var keys []string
	if k := r.KeyPairs[i.Launch.Key]; k != nil {
		keys = append(keys, k.Public)
	}
	users := []string{"admin", "ubuntu", "ec2-user", "debian"}
	if i.Content.User != "" {
		users = []string{i.Content.User}
	}
	for _, u := range users {
		spec.Users = append(spec.Users, host.User{Name: u, Keys: keys})
	}
	return spec
}

// blank is the file of a disk that is made before the machine starts.
type blank struct {
	file, from string // from is copied, "" is empty
	size       int64
}

func (b blank) make() error {
	if _, err := os.Stat(b.file); err == nil {
		return nil
	}
	if b.from != "" {
		return copySparse(b.from, b.file, b.size)
	}
	return makeSparse(b.file, b.size)
}

// disks adds the data volumes of an instance to its machine's description, and
// returns the files that are to be there.
func (s *Server) disks(r *region, i *instance, spec *host.Spec) []blank {
	var blanks []blank
	for _, v := range volumesOf(r, i.ID) {
		if v.Root {
			continue
		}
		b := blank{file: s.volumeFile(v.ID), size: int64(v.Size) << 30, from: v.Content.File}
		s.state.Files[b.file] = true
		blanks = append(blanks, b)
		spec.Disks = append(spec.Disks, host.Disk{Device: v.Device, File: b.file, Size: b.size})
	}
	return blanks
}

func (s *Server) volumeFile(id string) string { return filepath.Join(s.Dir, id+".img") }

// watch waits for the end of a machine. One that was not asked for is its own
// doing: it shut itself down or restarted.
func (s *Server) watch(id string, m host.Machine) {
	select {
	case <-m.Done():
	case <-s.ctx.Done():
		return
	}
	s.change(id, func(_ *region, i *instance) {
		rt := s.runtime(id)
		if rt.machine != m {
			return
		}
		rt.machine = nil
		if i.Phase != starting {
			return
		}
		switch {
		case m.Exit() == host.Rebooted:
			s.queue(id, func() { s.boot(id, time.Now()) })
		case i.Launch.Shutdown == "terminate":
			i.ReasonCode, i.Reason = "Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
			s.terminate(i)
		default:
			i.ReasonCode, i.Reason = "Client.InstanceInitiatedShutdown", "Client.InstanceInitiatedShutdown: Instance initiated shutdown"
			i.Phase, i.Done = stopping, time.Now().Add(s.Timing.Stopping)
		}
	})
}

// grace is how long a machine may take to shut down before it is killed.
const grace = 30 * time.Second

// halt shuts a machine down. It is run from the queue.
func (s *Server) halt(id string) {
	s.mu.Lock()
	rt := s.runtime(id)
	m := rt.machine
	rt.machine = nil
	s.mu.Unlock()
	if m == nil {
		return
	}
	ctx, cancel := context.WithTimeout(s.ctx, grace)
	defer cancel()
	if err := m.Stop(ctx); err != nil {
		s.Log.Warn("stop", slog.String("instance", id), slog.Any("error", err))
	}
}

// stop begins to stop an instance.
func (s *Server) stop(i *instance) {
	i.Phase, i.Done = stopping, time.Time{}
	id := i.ID
	s.queue(id, func() {
		s.halt(id)
		s.change(id, func(_ *region, i *instance) {
			if i.Phase == stopping && i.Done.IsZero() {
				i.Done = time.Now().Add(s.Timing.Stopping)
			}
		})
	})
}

// terminate begins to end an instance.
func (s *Server) terminate(i *instance) {
	i.Phase, i.Done = terminating, time.Time{}
	id, since := i.ID, time.Now()
	if giveUp := s.runtime(id).giveUp; giveUp != nil {
		giveUp()
	}
	s.queue(id, func() {
		s.mu.Lock()
		s.runtime(id).machine = nil
		s.mu.Unlock()
		if err := s.Host.Remove(id); err != nil {
			s.Log.Error("remove", slog.String("instance", id), slog.Any("error", err))
		}
		s.change(id, func(r *region, i *instance) {
			i.Removed = true
			i.Done = since.Add(s.Timing.Terminating)
			for _, v := range volumesOf(r, id) {
				v.Instance, v.Device, v.Root = "", "", false
				if v.DeleteWithInstance {
					delete(r.Volumes, v.ID)
					delete(r.Tags, v.ID)
				}
			}
			s.collect()
		})
	})
}

// entry returns what stands for an image of the catalogue.
func (s *Server) entry(names ...string) (catalog.Image, bool) {
	if s.Catalog == nil {
		return catalog.Default().Find(names...)
	}
	return s.Catalog().Find(names...)
}
