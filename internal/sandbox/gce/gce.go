// Package gce is a stand-in for Google Compute Engine on this host: its REST
// API and those that go with it (OS Login, Secret Manager, OAuth tokens, IAP's
// TCP relay), with a real machine behind each instance.
//
// Requests are checked against the official discovery documents: what the real
// service does not know is an error here too.
package gce

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/gce/discovery"
	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// Options is what a Server is made with.
type Options struct {
	Dir     string                 // of its state and the data disks
	Host    host.Host              // runs the machines
	Timing  timing.Timing          // how long things take
	Faults  *fault.Set             // what goes wrong; nil is nothing
	Catalog func() catalog.Catalog // which file trees stand for the images of public projects
	Log     *slog.Logger           // nil is none
}

// Server answers the requests. Any project exists in it.
type Server struct {
	options  Options
	api      *discovery.Document
	handlers map[string]handler

	// The server's own life: what goes on beside requests ends with it.
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu       sync.Mutex
	state    *state
	dirty    bool // state has changed since save was called last
	changes  int  // how often it was called with that
	written  int  // how many of those changes the file has
	writing  bool
	wrote    *sync.Cond // writing has ended
	closed   bool
	machines map[string]host.Machine  // by instance
	pending  map[string]chan struct{} // by operation, closed when it is done
	timers   map[string]*time.Timer   // that end instances, by instance
	changed  chan struct{}            // closed and made anew when metadata changes
	relays   relays
}

// handler answers one call, with the lock held.
type handler func(c *call) (any, error)

// change is the handler of a call that changes the resource which it names. The
// answer is the operation that does it.
func change(begin func(c *call, path string, r *resource) error) handler {
	return func(c *call) (any, error) {
		path, r, err := c.state.get(c.target())
		if err != nil {
			return nil, err
		}
		if err := begin(c, path, r); err != nil {
			return nil, err
		}
		return c.begin(path, r.ID)
	}
}

// New opens the state in Dir, and boots the machines that ran when it was last
// written.
func New(o Options) (*Server, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Catalog == nil {
		o.Catalog = catalog.Default
	}
	if err := os.MkdirAll(filepath.Join(o.Dir, "disks"), 0o700); err != nil {
		return nil, err
	}
	api, err := discovery.Load()
	if err != nil {
		return nil, err
	}
	st, err := readState(filepath.Join(o.Dir, stateName))
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, api: api, handlers: handlers(), state: st,
		machines: map[string]host.Machine{}, pending: map[string]chan struct{}{},
		timers: map[string]*time.Timer{}, changed: make(chan struct{})}
	s.wrote = sync.NewCond(&s.mu)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	o.Faults.OnInterrupt(s.preempt)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.resume()
	return s, nil
}

// Close ends the server. The machines end with their host.
func (s *Server) Close() error {
	s.cancel()
	s.mu.Lock()
	s.closed = true
	for _, t := range s.timers {
		t.Stop()
	}
	s.mu.Unlock()
	s.tasks.Wait()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.save()
}

// task runs f beside the requests, until Close. It is called with the lock held.
func (s *Server) task(f func()) {
	if !s.closed {
		s.tasks.Go(f)
	}
}

// locked runs f with the lock, and saves what it changed.
func (s *Server) locked(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
	if err := s.save(); err != nil {
		s.options.Log.Error("gce: save", "err", err)
	}
}

// call is one request for a method.
type call struct {
	*Server
	method *discovery.Method
	name   string // of the method without its service: "instances.insert"
	params map[string][]string
	body   json.RawMessage
	user   string   // who has the token: an email address
	scopes []string // that the token is good for; none is all
	ctx    context.Context
}

func (c *call) param(name string) string {
	if v := c.params[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// into decodes the body.
func (c *call) into(v any) error {
	if len(c.body) == 0 {
		return nil
	}
	return json.Unmarshal(c.body, v)
}

// ServeHTTP answers a request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch path := r.URL.Path; {
	case path == "/token":
		s.serve(w, r, "oauth.token", s.token)
	case strings.HasSuffix(path, "/tokeninfo"):
		s.serve(w, r, "oauth.tokeninfo", s.tokenInfo)
	case path == "/v4/connect":
		s.serve(w, r, "iap.connect", s.connect)
	case path == "/v4/reconnect":
		s.serve(w, r, "iap.reconnect", s.reconnect)
	case strings.HasPrefix(path, uploadPath+"/storage/"):
		s.serveUpload(w, r)
	case strings.HasPrefix(path, "/storage/") && r.URL.Query().Get("alt") == "media":
		s.serve(w, r, "storage.objects.download", s.download)
	default:
		s.serveAPI(w, r)
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, name string, act http.HandlerFunc) {
	s.options.Faults.Serve(w, r, name, act, func(w http.ResponseWriter, _ *http.Request, rule fault.Rule) {
		writeError(w, ruleError(rule))
	})
}

func (s *Server) serveAPI(w http.ResponseWriter, r *http.Request) {
	if at := "/oslogin/v1/"; strings.HasPrefix(r.URL.Path, at) {
		r = r.Clone(r.Context())
		r.URL.Path = strings.TrimPrefix(r.URL.Path, "/oslogin")
	}
	method, params, err := s.api.Route(r)
	if method == nil {
		writeError(w, err)
		return
	}
	c := &call{Server: s, method: method, params: params, ctx: r.Context()}
	service, name, _ := strings.Cut(method.ID, ".")
	c.name = name
	label := method.ID
	if service == "compute" {
		label = "gce." + name
	}
	if where := c.param("zone") + c.param("region"); where != "" {
		label += "@" + where
	}
	act := func(w http.ResponseWriter, r *http.Request) {
		text, bad := []byte(nil), err
		if c.user, err = caller(r); err == nil {
			c.scopes = tokenScopes(bearer(r))
			if err = bad; err == nil {
				text, err = s.answer(c, r)
			}
		}
		s.write(w, c, text, err)
	}
	s.options.Faults.Serve(w, r, label, act, func(w http.ResponseWriter, r *http.Request, rule fault.Rule) {
		text, err := s.refuse(c, r, rule)
		s.write(w, c, text, err)
	})
}

// maxBody is the largest request. The service's own limit is about that.
const maxBody = 10 << 20

// read checks the body of the request.
func (s *Server) read(c *call, r *http.Request) error {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody))
	if err != nil {
		return err
	}
	c.body, err = s.api.Request(c.method, body)
	return err
}

// answer has the request handled.
func (s *Server) answer(c *call, r *http.Request) ([]byte, error) {
	if err := s.read(c, r); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := c.place(); err != nil {
		return nil, err
	}
	value, err := c.repeated()
	if value == nil && err == nil {
		value, err = s.handlers[c.method.ID](c)
	}
	var text []byte
	if err == nil {
		text, err = json.Marshal(value)
	}
	return text, errors.Join(err, s.save())
}

// write sends a response, cut down to the fields that the client asked for.
func (s *Server) write(w http.ResponseWriter, c *call, text []byte, err error) {
	if err == nil {
		text, err = mask(text, c.param("fields"))
	}
	if err != nil {
		writeError(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	_, _ = w.Write(append(text, '\n'))
}

// pause waits. Its error says that the server ends.
func (s *Server) pause(until time.Time) error {
	return pause.For(s.ctx, time.Until(until))
}

// link is the URL that the service gives for a resource.
func link(path string) string { return "https://www.googleapis.com/compute/v1/" + path }

func stamp(t time.Time) string { return t.Format("2006-01-02T15:04:05.000-07:00") }

// Inventory lists every resource that exists, sorted: not what projects have
// from the start, nor public images.
func (s *Server) Inventory() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lines []string
	for _, path := range s.state.paths("") {
		r := s.state.Resources[path]
		if r.Given {
			continue
		}
		line := "gce " + strings.TrimPrefix(path, "projects/")
		if status := r.status(); status != "" {
			line += fmt.Sprintf(" (%s)", strings.ToLower(status))
		}
		lines = append(lines, line)
	}
	lines = append(lines, s.state.accounts()...)
	for name := range s.state.Objects {
		lines = append(lines, "gcs object "+name)
	}
	slices.Sort(lines)
	return lines
}
