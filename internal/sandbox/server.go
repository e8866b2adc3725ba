// Package sandbox is a stand-in for EC2 and Google Compute Engine on this
// host: their APIs behind one address of the loopback interface, with real
// machines behind them.
package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/ec2"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/gce"
	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// Folders below that of a sandbox.
const (
	hostName = "host" // the machines' disks
	ec2Name  = "ec2"
	gceName  = "gce"
)

// Options is what a sandbox is made with.
type Options struct {
	Dir     string          // its state and its disks, made when needed; one sandbox at a time
	Bases   string          // the file trees that machines start from, shared by all sandboxes
	Listen  string          // "127.0.0.1:0" where it is ""
	Timing  timing.Timing   // how long things take
	Faults  *fault.Set      // what goes wrong; nil is nothing
	Catalog catalog.Catalog // public images, in front of catalog.Default
	Log     *slog.Logger    // nil is none
	// Trusting takes any token for Google's services, such as those that it
	// gives for the keys of service accounts, which it does not check.
	Trusting bool
}

// Server is a sandbox that runs.
type Server struct {
	options  Options
	access   access
	machines *machines
	images   *images
	ec2      *ec2.Server
	gce      *gce.Server
	listener net.Listener
	http     *http.Server
	busy     requests
	shutdown chan struct{} // closed when the admin API asked for it
	end      sync.Once     // of shutdown
	closing  sync.Once
}

// New starts a sandbox: what Dir has of an earlier one is there again, and the
// machines that ran boot. It serves until Close.
func New(o Options) (*Server, error) {
	o = withDefaults(o)
	for _, name := range []string{hostName, ec2Name, gceName} {
		if err := os.MkdirAll(filepath.Join(o.Dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	s := &Server{options: o, shutdown: make(chan struct{})}
	s.busy.at = time.Now()
	var err error
	if s.access, err = openAccess(filepath.Join(o.Dir, accessName)); err != nil {
		return nil, err
	}
	if s.images, err = openImages(filepath.Join(o.Dir, imagesName), o.Catalog); err != nil {
		return nil, err
	}
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	go func() { _ = s.http.Serve(s.listener) }()
	return s, nil
}

func withDefaults(o Options) Options {
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	if o.Faults == nil {
		o.Faults = &fault.Set{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// open puts the parts together.
func (s *Server) open() error {
	o := s.options
	h, err := host.Open(filepath.Join(o.Dir, hostName), o.Bases)
	if err != nil {
		return err
	}
	s.machines = &machines{Host: h}
	if s.listener, err = listen(o.Listen); err != nil {
		return err
	}
	s.ec2, err = ec2.New(ec2.Options{Dir: filepath.Join(o.Dir, ec2Name), Host: s.machines, Timing: o.Timing,
		Faults: o.Faults, Catalog: s.images.Catalog, Log: o.Log, Key: s.access.AWSKey, Secret: s.access.AWSSecret})
	if err != nil {
		return fmt.Errorf("ec2: %w", err)
	}
	s.gce, err = gce.New(gce.Options{Dir: filepath.Join(o.Dir, gceName), Host: s.machines, Timing: o.Timing,
		Faults: o.Faults, Catalog: s.images.Catalog, Log: o.Log})
	if err != nil {
		return fmt.Errorf("gce: %w", err)
	}
	s.http = &http.Server{Handler: s.busy.count(s.routes()), ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}
	return nil
}

// listen listens on the address, or on another port where that one is taken.
func listen(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if err == nil {
		return l, nil
	}
	ip, _, splitErr := net.SplitHostPort(address)
	if splitErr != nil {
		return nil, err
	}
	return net.Listen("tcp", net.JoinHostPort(ip, "0"))
}

// Sandbox says how builders reach it.
func (s *Server) Sandbox() *builders.Sandbox { return s.access.sandbox(s.listener.Addr().String()) }

// Address is where it listens.
func (s *Server) Address() string { return s.listener.Addr().String() }

// Faults are what goes wrong in it.
func (s *Server) Faults() *fault.Set { return s.options.Faults }

// Inventory lists every resource that exists, sorted.
func (s *Server) Inventory() []string {
	all := append([]string{}, s.ec2.Inventory()...) // an empty list is not null in JSON
	all = append(all, s.gce.Inventory()...)
	slices.Sort(all)
	return all
}

// Prepare makes the file trees of images, where they are not there yet; of none,
// the one that stands for any image. Progress is written to w.
func (s *Server) Prepare(ctx context.Context, list catalog.Catalog, w io.Writer) error {
	if len(list) == 0 {
		list = catalog.Default()
	}
	for _, img := range list {
		if _, err := s.machines.Base(ctx, img.Base, w); err != nil {
			return fmt.Errorf("image %q: %w", img.Match, err)
		}
	}
	return nil
}

// Idle is how long nobody has used it: 0 while a machine runs or a request is
// under way.
func (s *Server) Idle() time.Duration {
	if s.machines.running() > 0 {
		return 0
	}
	return s.busy.idle()
}

// Close ends it and all machines at once. What is in Dir stays.
func (s *Server) Close() error {
	var errs []error
	s.closing.Do(func() {
		if s.http != nil {
			errs = append(errs, s.http.Close())
		}
		if s.listener != nil {
			s.listener.Close()
		}
		if s.ec2 != nil {
			errs = append(errs, s.ec2.Close())
		}
		if s.gce != nil {
			errs = append(errs, s.gce.Close())
		}
		if s.machines != nil {
			errs = append(errs, s.machines.Close())
		}
	})
	return errors.Join(errs...)
}

// requests counts those that are under way.
type requests struct {
	mu    sync.Mutex
	under int
	at    time.Time // when the last one ended
}

func (c *requests) count(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.add(1)
		defer c.add(-1)
		next.ServeHTTP(w, r)
	})
}

func (c *requests) add(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.under, c.at = c.under+n, time.Now()
}

func (c *requests) idle() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.under > 0 {
		return 0
	}
	return time.Since(c.at)
}
