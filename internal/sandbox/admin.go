package sandbox

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strings"

	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

// adminPath is where the sandbox itself is asked and told.
const adminPath = "/_sandbox/"

// Status is what a sandbox says of itself.
type Status struct {
	Endpoint  string   `json:"endpoint"`
	PID       int      `json:"pid"`
	Machines  int      `json:"machines"`  // that run
	Resources []string `json:"resources"` // as Server.Inventory
	Images    []Image  `json:"images"`    // public ones, the first that matches counts
	Timing    string   `json:"timing"`
	Faults    int      `json:"faults"` // rules
}

// Image is what stands for the public images that match a pattern.
type Image struct {
	Pattern string `json:"pattern"`
	Base    string `json:"base"` // as a person calls it
}

func describe(list catalog.Catalog) []Image {
	out := make([]Image, len(list))
	for i, img := range list {
		out[i] = Image{img.Match, img.Base.OCI}
		if img.Base.OCI == "" {
			out[i].Base = strings.Join(append([]string{"Debian", img.Base.Suite}, img.Base.Packages...), " ")
		}
	}
	return out
}

// admin is the API of the sandbox itself. It asks for the token of the state's
// folder.
func (s *Server) admin() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+adminPath+"status", func(w http.ResponseWriter, r *http.Request) { reply(w, s.status()) })
	mux.HandleFunc("GET "+adminPath+"inventory", func(w http.ResponseWriter, r *http.Request) { reply(w, s.Inventory()) })
	mux.HandleFunc("POST "+adminPath+"catalog", s.addImages)
	mux.HandleFunc("POST "+adminPath+"prepare", s.prepare)
	mux.HandleFunc("GET "+adminPath+"faults", func(w http.ResponseWriter, r *http.Request) {
		reply(w, Wrong{s.options.Faults.Rules(), s.options.Faults.Account()})
	})
	mux.HandleFunc("POST "+adminPath+"faults", s.setFaults)
	mux.HandleFunc("GET "+adminPath+"calls", func(w http.ResponseWriter, r *http.Request) { reply(w, s.options.Faults.Calls()) })
	mux.HandleFunc("POST "+adminPath+"shutdown", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "0") // the answer is whole before connections are closed
		_ = http.NewResponseController(w).Flush()
		s.end.Do(func() { close(s.shutdown) })
	})
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if subtle.ConstantTimeCompare([]byte(token), []byte(s.access.AdminToken)) != 1 {
			http.Error(w, "the token of "+accessName+" is needed", http.StatusUnauthorized)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

func (s *Server) status() Status {
	return Status{Endpoint: "http://" + s.Address(), PID: os.Getpid(), Machines: s.machines.running(),
		Resources: s.Inventory(), Images: describe(s.images.Catalog()), Timing: s.options.Timing.String(), Faults: len(s.options.Faults.Rules())}
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// body reads the request; it has answered where the result is false.
func body(w http.ResponseWriter, r *http.Request, v any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<20)).Decode(v); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return false
	}
	return true
}

func (s *Server) addImages(w http.ResponseWriter, r *http.Request) {
	var list catalog.Catalog
	if !body(w, r, &list) {
		return
	}
	if err := s.images.add(list); err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// prepare streams the progress of making file trees; the last line is an error,
// where there is one, behind errorLine.
func (s *Server) prepare(w http.ResponseWriter, r *http.Request) {
	var list catalog.Catalog
	if !body(w, r, &list) {
		return
	}
	out := &flusher{w: w, flush: http.NewResponseController(w).Flush}
	if err := s.Prepare(r.Context(), list, out); err != nil {
		_, _ = out.Write([]byte(out.end() + errorLine + strings.ReplaceAll(err.Error(), "\n", " ") + "\n"))
	}
}

const errorLine = "error: "

// flusher sends each write at once.
type flusher struct {
	w     io.Writer
	flush func() error
	open  bool // a line has not ended
}

func (f *flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if n > 0 {
		f.open = p[n-1] != '\n'
	}
	return n, errors.Join(err, f.flush())
}

// end is what ends the line that was written last.
func (f *flusher) end() string {
	if f.open {
		return "\n"
	}
	return ""
}

// Wrong is what goes wrong in a sandbox.
type Wrong struct {
	Rules   []fault.Rule  `json:"rules"`
	Account fault.Account `json:"account"`
}

// setFaults replaces what goes wrong, and forgets the calls seen.
func (s *Server) setFaults(w http.ResponseWriter, r *http.Request) {
	var wrong Wrong
	if !body(w, r, &wrong) {
		return
	}
	s.options.Faults.Clear()
	s.options.Faults.SetAccount(wrong.Account)
	if err := s.options.Faults.Add(wrong.Rules...); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
	}
}
