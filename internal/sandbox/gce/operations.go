package gce

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/compute/v1"
)

// operation is work that takes time. What it does follows from its call and
// the state alone, so that it goes on after a restart.
type operation struct {
	API     *compute.Operation `json:"api"`
	Call    string             `json:"call"`   // "instances.insert"
	Target  string             `json:"target"` // path
	Began   time.Time          `json:"began"`
	Failure *failure           `json:"failure,omitempty"`
}

// failure is the error of an operation.
type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Status  int    `json:"status,omitempty"`
}

func (f *failure) Error() string { return f.Message }

const (
	keptOperations = 500
	maxWait        = 2 * time.Minute // of the wait methods
)

// scope is the path that the call's resources are below.
func (c *call) scope() string {
	path := "projects/" + c.param("project")
	switch {
	case c.param("zone") != "":
		return path + "/zones/" + c.param("zone")
	case c.param("region") != "":
		return path + "/regions/" + c.param("region")
	}
	return path + "/global"
}

var placeholder = regexp.MustCompile(`\{\w+\}`)

// target is the path of the resource or collection that a call is about: for an
// insert that of what its body names.
func (c *call) target() string {
	path := strings.TrimPrefix(c.method.Path, "compute/v1/")
	ends := placeholder.FindAllStringIndex(path, -1)
	named := ends[len(ends)-1][1]
	if c.collective() {
		named = len(path)
	}
	path = placeholder.ReplaceAllStringFunc(path[:named], func(p string) string { return c.param(strings.Trim(p, "{}")) })
	if strings.HasSuffix(c.name, ".insert") {
		var body struct {
			Name string `json:"name"`
		}
		_ = c.into(&body) // checked
		path += "/" + body.Name
	}
	return path
}

// collective reports whether the call's path ends with a collection.
func (c *call) collective() bool {
	for _, end := range []string{".insert", ".list", ".aggregatedList"} {
		if strings.HasSuffix(c.name, end) {
			return true
		}
	}
	return false
}

// operation makes one for the call, which start begins.
func (c *call) operation(target string, id uint64) *operation {
	now := time.Now()
	name := fmt.Sprintf("operation-%d-%013x", now.UnixMilli(), newID()&0xfffffffffffff)
	scope := c.scope()
	path := scope + "/operations/" + name
	kind := c.name[strings.IndexByte(c.name, '.')+1:]
	op := &operation{Call: c.name, Target: target, Began: now, API: &compute.Operation{
		Kind: "compute#operation", Id: newID(), Name: name, SelfLink: link(path), OperationType: kind,
		Status: "RUNNING", TargetLink: link(target), TargetId: id, User: c.user,
		InsertTime: stamp(now), StartTime: stamp(now), ClientOperationId: c.param("requestId"),
	}}
	if z := c.param("zone"); z != "" {
		op.API.Zone = link(scope)
	} else if r := c.param("region"); r != "" {
		op.API.Region = link(scope)
	}
	c.state.Operations[path] = op
	c.dirty = true
	return op
}

// begin makes an operation and starts it.
func (c *call) begin(target string, id uint64) (any, error) {
	op := c.operation(target, id)
	c.start(op)
	return op.API, nil
}

func (op *operation) path() string {
	return strings.TrimPrefix(op.API.SelfLink, link(""))
}

// start runs the work of an operation, behind those that were begun before it
// on the same resource.
func (s *Server) start(op *operation) {
	done := make(chan struct{})
	var before []chan struct{}
	for path, ch := range s.pending {
		if other := s.state.Operations[path]; other != nil && other.Target == op.Target && other != op {
			before = append(before, ch)
		}
	}
	s.pending[op.path()] = done
	s.task(func() {
		for _, ch := range before {
			select {
			case <-ch:
			case <-s.ctx.Done():
				return
			}
		}
		err := s.work(op)
		if s.ctx.Err() != nil {
			return // it goes on when the state is opened again
		}
		s.locked(func() { s.finish(op, err) })
		close(done)
	})
}

// work does what the operation is for.
func (s *Server) work(op *operation) error {
	if op.Failure != nil {
		if err := s.pause(op.Began.Add(s.options.Timing.Operation)); err != nil {
			return err
		}
		return op.Failure
	}
	if f := works()[op.Call]; f != nil {
		return f(s, op)
	}
	return s.pause(op.Began.Add(s.options.Timing.Operation))
}

func (s *Server) finish(op *operation, err error) {
	op.API.Status, op.API.Progress, op.API.EndTime = "DONE", 100, stamp(time.Now())
	delete(s.pending, op.path())
	s.dirty = true
	if err == nil {
		s.prune()
		return
	}
	f := &failure{Code: "INTERNAL_ERROR", Message: err.Error()}
	errors.As(err, &f)
	op.API.Error = &compute.OperationError{Errors: []*compute.OperationErrorErrors{{Code: f.Code, Message: f.Message}}}
	op.API.HttpErrorStatusCode = int64(cmp.Or(f.Status, http.StatusServiceUnavailable))
	op.API.HttpErrorMessage = strings.ToUpper(http.StatusText(int(op.API.HttpErrorStatusCode)))
	s.options.Log.Debug("gce: operation", "call", op.Call, "target", op.Target, "err", err)
}

// prune forgets the oldest operations that are done.
func (s *Server) prune() {
	if len(s.state.Operations) <= keptOperations {
		return
	}
	var done []*operation
	for _, op := range s.state.Operations {
		if op.API.Status == "DONE" {
			done = append(done, op)
		}
	}
	slices.SortFunc(done, func(a, b *operation) int { return a.Began.Compare(b.Began) })
	for _, op := range done[:min(len(done), keptOperations/2)] {
		delete(s.state.Operations, op.path())
	}
}

var uuid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// repeated returns the operation that an earlier request with the same id began.
func (c *call) repeated() (any, error) {
	id := c.param("requestId")
	if id == "" {
		return nil, nil
	}
	if !uuid.MatchString(id) {
		return nil, invalid("requestId", id, "Must be a valid UUID.")
	}
	for _, op := range c.state.Operations {
		if op.API.ClientOperationId == id && op.Call == c.name && strings.HasPrefix(op.Target, "projects/"+c.param("project")+"/") {
			return op.API, nil
		}
	}
	return nil, nil
}

func (c *call) findOperation() (*operation, error) {
	path := c.scope() + "/operations/" + c.param("operation")
	if op := c.state.Operations[path]; op != nil {
		return op, nil
	}
	for _, op := range c.state.Operations {
		if fmt.Sprint(op.API.Id) == c.param("operation") && strings.HasPrefix(op.path(), c.scope()+"/operations/") {
			return op, nil
		}
	}
	return nil, notFound(path)
}

func getOperation(c *call) (any, error) {
	op, err := c.findOperation()
	if err != nil {
		return nil, err
	}
	return op.API, nil
}

// waitOperation answers when the operation is done, or after two minutes. It
// gives the lock away while it waits.
func waitOperation(c *call) (any, error) {
	op, err := c.findOperation()
	if err != nil {
		return nil, err
	}
	if done := c.pending[op.path()]; done != nil {
		ctx, cancel := context.WithTimeout(c.ctx, maxWait)
		defer cancel()
		c.mu.Unlock()
		select {
		case <-done:
		case <-ctx.Done():
		case <-c.Server.ctx.Done():
		}
		c.mu.Lock()
	}
	return op.API, nil
}

func listOperations(c *call) (any, error) {
	prefix := c.scope() + "/operations/"
	var all []any
	for path, op := range c.state.Operations {
		if strings.HasPrefix(path, prefix) {
			all = append(all, op.API)
		}
	}
	return c.list("compute#operationList", all)
}
