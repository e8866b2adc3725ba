package ec2

import (
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/rootdisk"
)

// collect removes layers and files that nothing uses any more. The server is
// locked.
func (s *Server) collect() {
	layers, files := map[host.LayerID]bool{}, map[string]bool{}
	use := func(c content) {
		for _, l := range c.Layers {
			layers[l] = true
		}
		files[c.File] = true
	}
	for _, r := range s.state.Regions {
		for _, x := range r.Snapshots {
			use(x.Content)
		}
		for _, x := range r.Volumes {
			use(x.Content)
			files[s.volumeFile(x.ID)] = true
		}
		for _, x := range r.Instances {
			if !x.Removed {
				use(x.Content)
			}
		}
	}
	for l := range s.state.Layers {
		if !layers[l] {
			delete(s.state.Layers, l)
			s.work.Go(func() {
				if err := s.Host.RemoveLayer(l); err != nil {
					s.Log.Warn("remove layer", slog.String("layer", string(l)), slog.Any("error", err))
				}
			})
		}
	}
	for _, r := range s.state.Regions {
		for _, t := range r.Imports {
			files[t.File] = true
		}
	}
	for f := range s.state.Files {
		if !files[f] {
			delete(s.state.Files, f)
			_, _ = os.Remove(f), os.RemoveAll(f+rootdisk.LayoutExt) // they may never have been made
		}
	}
}

// reopen opens and closes ports of instances in a group whose rules changed.
func (c *call) reopen(group string) {
	for id, i := range c.Instances {
		if !slices.Contains(i.Groups, group) || i.Phase != starting {
			continue
		}
		c.queue(id, func() {
			c.mu.Lock()
			m := c.runtime(id).machine
			c.mu.Unlock()
			if m != nil {
				m.Reopen()
			}
		})
	}
}

// resume goes on with what was under way when the server ended: machines end
// with it.
func (s *Server) resume() {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for _, r := range s.state.Regions {
		for _, i := range r.Instances {
			switch {
			case i.Phase == starting && (i.Interrupt.IsZero() || now.Before(i.Interrupt)):
				i.Done = time.Time{}
				s.queue(i.ID, func() { s.boot(i.ID, now.Add(s.Timing.Running)) })
				if !i.Interrupt.IsZero() {
					s.takeBack(i.ID, i.Interrupt.Sub(now))
				}
			case i.Phase == starting, i.Phase == terminating && !i.Removed:
				s.terminate(i)
			case i.Phase == stopping && i.Done.IsZero():
				i.Done = now.Add(s.Timing.Stopping)
			}
		}
		r.giveUp()
	}
	s.collect()
}

// giveUp fails images and snapshots that were being made when the server ended.
func (r *region) giveUp() {
	const why = "Server.InternalError: the sandbox ended while it was made"
	for _, x := range r.Snapshots {
		if x.Making {
			x.Making, x.Failed = false, why
		}
	}
	for _, x := range r.Images {
		if x.Making {
			x.Making, x.Failed = false, why
		}
	}
	for _, x := range r.Imports {
		if x.Status == importing {
			x.end("ServerError: the sandbox ended while it was imported")
		}
	}
}
