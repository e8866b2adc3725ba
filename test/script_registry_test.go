package test

import (
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ingot-build/ingot/internal/registrytest"
)

// ownCache gives the script a cache of its own from here on, `cache NAME`, and
// so a BuildKit daemon of its own. The base images stay shared.
func ownCache(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: cache NAME")
	}
	bases := filepath.Join(cacheDir, "bases")
	ts.Check(os.MkdirAll(bases, 0o755))
	cache := ts.MkAbs(args[0])
	ts.Check(shareBases(cache, bases))
	ts.Setenv("INGOT_CACHE_DIR", cache)
	ts.Defer(func() { stopDaemon(cache) })
}

// registryServer is a registry of a script, which can be down for a while.
type registryServer struct {
	addr    string
	handler http.Handler
	http    *http.Server

	mu    sync.Mutex
	asked []string // what it was asked since requests were last counted
}

// registries are those of the scripts, by address.
var registries sync.Map

// registryCommand starts an OCI registry and sets $REGISTRY, `registry [login]`.
// `registry stop` and `registry again` end the last one and bring it back.
func registryCommand(ts *testscript.TestScript, neg bool, args []string) {
	what := ""
	if len(args) > 0 {
		what = args[0]
	}
	switch {
	case neg || len(args) > 1:
		ts.Fatalf("usage: registry [login|stop|again]")
	case what == "stop" || what == "again":
		s, ok := registries.Load(ts.Getenv("REGISTRY"))
		if !ok {
			ts.Fatalf("no registry was started")
		}
		if what == "stop" {
			s.(*registryServer).http.Close()
			return
		}
		ts.Check(s.(*registryServer).listen())
	case what == "" || what == "login":
		dir, err := os.MkdirTemp(ts.MkAbs("."), ".registry-")
		ts.Check(err)
		h, err := registrytest.Handler(dir, what == "login")
		ts.Check(err)
		s := &registryServer{addr: "127.0.0.1:0", handler: h}
		ts.Check(s.listen())
		registries.Store(s.addr, s)
		ts.Defer(func() { s.http.Close() })
		ts.Setenv("REGISTRY", s.addr)
	default:
		ts.Fatalf("registry: unknown word %q", what)
	}
}

func (s *registryServer) listen() error {
	l, err := net.Listen("tcp", s.addr)
	if err != nil {
		return err
	}
	s.addr = l.Addr().String()
	s.http = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.asked = append(s.asked, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		s.handler.ServeHTTP(w, r)
	})}
	go s.http.Serve(l)
	return nil
}

// requests checks how often the registry of the script was asked something since
// it was last checked: `requests [MOST]`.
func requests(ts *testscript.TestScript, neg bool, args []string) {
	s, ok := registries.Load(ts.Getenv("REGISTRY"))
	if neg || len(args) > 1 || !ok {
		ts.Fatalf("usage: requests [MOST], of a registry that was started")
	}
	server := s.(*registryServer)
	server.mu.Lock()
	defer server.mu.Unlock()
	asked := server.asked
	server.asked = nil
	if len(args) == 0 {
		return
	}
	most, err := strconv.Atoi(args[0])
	ts.Check(err)
	if len(asked) == 0 || len(asked) > most {
		ts.Fatalf("%d requests: %q", len(asked), asked)
	}
}
