package gce

import (
	"maps"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
)

// arm has an instance end when its time is over.
func (s *Server) arm(path string, r *resource) {
	if old := s.timers[path]; old != nil {
		old.Stop()
		delete(s.timers, path)
	}
	if r.Ends == nil || s.closed {
		return
	}
	s.timers[path] = time.AfterFunc(time.Until(*r.Ends), func() {
		s.locked(func() { s.end(path, "") })
	})
}

// end takes an instance down without its user's asking: by its termination
// action, or by the call that is given.
func (s *Server) end(path, because string) {
	r := s.state.Resources[path]
	if r == nil || s.closed || r.Instance.Status != "RUNNING" {
		return
	}
	name := "instances.stop"
	if r.Instance.Scheduling.InstanceTerminationAction == "DELETE" {
		name = "instances.delete"
	}
	c := s.own(name, path)
	s.setStatus(r, "STOPPING")
	if because != "" {
		op := c.operation(path, r.ID)
		op.API.OperationType = because
		op.API.StatusMessage = "Instance was preempted."
		s.start(op)
		return
	}
	_, _ = c.begin(path, r.ID)
}

// own is a call that the service itself makes for an instance.
func (s *Server) own(name, path string) *call {
	parts := strings.Split(path, "/") // projects/p/zones/z/instances/i
	return &call{Server: s, method: s.api.Methods["compute."+name], name: name, user: "system", ctx: s.ctx,
		params: map[string][]string{"project": {parts[1]}, "zone": {parts[3]}, "instance": {parts[5]}}}
}

// preempt takes back all preemptible instances, after a notice.
func (s *Server) preempt(notice time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.task(func() {
		s.locked(func() {
			for _, r := range s.state.Resources {
				if r.Instance != nil && r.Instance.Scheduling.Preemptible && r.Instance.Status == "RUNNING" {
					r.Preempted = true
				}
			}
			s.metadataChanged()
			s.dirty = true
		})
		if s.pause(time.Now().Add(notice)) != nil {
			return
		}
		s.locked(func() {
			for _, path := range s.state.paths("projects/") {
				if r := s.state.Resources[path]; r.Instance != nil && r.Preempted {
					r.Preempted = false
					s.end(path, "compute.instances.preempted")
				}
			}
		})
	})
}

// resume goes on where the state was left: operations that were under way, and
// machines that ran.
func (s *Server) resume() {
	busy := map[string]bool{}
	inOrder := func(a, b *operation) int { return a.Began.Compare(b.Began) }
	for _, op := range slices.SortedFunc(maps.Values(s.state.Operations), inOrder) {
		if op.API.Status != "DONE" {
			busy[op.Target] = true
			s.start(op)
		}
	}
	for path, r := range s.state.Resources {
		if r.Instance == nil || busy[path] {
			continue
		}
		switch r.Instance.Status {
		case "RUNNING":
			s.task(func() {
				if err := s.boot(path, time.Time{}); err != nil {
					s.options.Log.Warn("gce: boot again", "path", path, "err", err)
					s.locked(func() { s.setStatus(r, "STOPPING"); s.stopped(path) })
				}
			})
			s.arm(path, r)
		case "STOPPING":
			s.stopped(path)
		}
	}
}

// warn says in an operation that a disk was left.
func (op *operation) warn(disk string) {
	op.API.Warnings = append(op.API.Warnings, &compute.OperationWarnings{Code: "RESOURCE_NOT_DELETED",
		Message: "The disk '" + disk + "' is being used, it was not deleted.",
		Data:    []*compute.OperationWarningsData{{Key: "resource", Value: link(disk)}}})
}
