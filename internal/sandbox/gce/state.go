package gce

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/renameio/v2"
	"google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

const stateName = "state.json"

// state is all that there is, in one file.
type state struct {
	Resources  map[string]*resource  `json:"resources"`  // by path
	Operations map[string]*operation `json:"operations"` // by path
	Projects   map[string]*project   `json:"projects"`
	Logins     map[string]*login     `json:"logins"`     // OS Login, by email address
	Secrets    map[string]*secret    `json:"secrets"`    // by path
	Parameters map[string]*parameter `json:"parameters"` // by path
	Layers     map[host.LayerID]bool `json:"layers"`     // that were frozen for an image or snapshot
	Objects    map[string]*object    `json:"objects"`    // of Cloud Storage, by bucket/name
	Uploads    map[string]*session   `json:"uploads"`    // to it, in parts
}

// resource is one thing, at a path such as "projects/p/zones/z/disks/d".
type resource struct {
	ID         uint64              `json:"id"`
	Given      bool                `json:"given,omitempty"` // nobody made it: a default network, a public image
	Instance   *compute.Instance   `json:"instance,omitempty"`
	Disk       *compute.Disk       `json:"disk,omitempty"`
	Image      *compute.Image      `json:"image,omitempty"`
	Snapshot   *compute.Snapshot   `json:"snapshot,omitempty"`
	Network    *compute.Network    `json:"network,omitempty"`
	Subnetwork *compute.Subnetwork `json:"subnetwork,omitempty"`
	Address    *compute.Address    `json:"address,omitempty"`
	Firewall   *compute.Firewall   `json:"firewall,omitempty"`

	Content   *content          `json:"content,omitempty"` // of a disk, image or snapshot
	Policy    *compute.Policy   `json:"policy,omitempty"`
	Guest     map[string]string `json:"guest,omitempty"`     // guest attributes by namespace/key
	Scratch   []string          `json:"scratch,omitempty"`   // files of an instance's local disks
	Reach     string            `json:"reach,omitempty"`     // address of an instance whose own is not of the loopback network
	Ends      *time.Time        `json:"ends,omitempty"`      // when an instance has run for as long as it may
	Preempted bool              `json:"preempted,omitempty"` // it has had its notice
}

type project struct {
	Number   uint64            `json:"number"`
	Metadata *compute.Metadata `json:"metadata"`
}

func readState(file string) (*state, error) {
	st := &state{}
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, st)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if st.Resources == nil {
		*st = state{Resources: map[string]*resource{}, Operations: map[string]*operation{}, Projects: map[string]*project{},
			Logins: map[string]*login{}, Secrets: map[string]*secret{}, Parameters: map[string]*parameter{}, Layers: map[host.LayerID]bool{}}
	}
	if st.Objects == nil { // it is of an older version
		st.Objects, st.Uploads = map[string]*object{}, map[string]*session{}
	}
	return st, nil
}

// save returns when what has changed is on the disk. It is called with the lock
// held, and gives it away meanwhile: those who change more while one writes are
// written together by the next.
func (s *Server) save() error {
	if !s.dirty {
		return nil
	}
	s.dirty = false
	s.changes++
	for mine := s.changes; s.written < mine; {
		if s.writing {
			s.wrote.Wait()
			continue
		}
		text, err := json.Marshal(s.state)
		upTo := s.changes
		s.writing = true
		s.mu.Unlock()
		if err == nil {
			err = renameio.WriteFile(filepath.Join(s.options.Dir, stateName), text, 0o600)
		}
		s.mu.Lock()
		s.writing = false
		s.wrote.Broadcast()
		if err != nil {
			s.dirty = true
			return err
		}
		s.written = upTo
	}
	return nil
}

// paths returns those of the resources below a prefix, sorted.
func (st *state) paths(prefix string) []string {
	var all []string
	for path := range maps.Keys(st.Resources) {
		if strings.HasPrefix(path, prefix) {
			all = append(all, path)
		}
	}
	slices.Sort(all)
	return all
}

// body is the resource as the API gives it.
func (r *resource) body() any {
	switch {
	case r.Instance != nil:
		return r.Instance
	case r.Disk != nil:
		return r.Disk
	case r.Image != nil:
		return r.Image
	case r.Snapshot != nil:
		return r.Snapshot
	case r.Network != nil:
		return r.Network
	case r.Subnetwork != nil:
		return r.Subnetwork
	case r.Address != nil:
		return r.Address
	default:
		return r.Firewall
	}
}

func (r *resource) status() string {
	switch {
	case r.Instance != nil:
		return r.Instance.Status
	case r.Disk != nil:
		return r.Disk.Status
	case r.Image != nil:
		return r.Image.Status
	case r.Snapshot != nil:
		return r.Snapshot.Status
	}
	return ""
}

// get finds a resource by its path, or by one that has its id as name.
func (st *state) get(path string) (string, *resource, error) {
	if r := st.Resources[path]; r != nil {
		return path, r, nil
	}
	at := strings.LastIndexByte(path, '/')
	if id, err := strconv.ParseUint(path[at+1:], 10, 64); err == nil {
		for _, other := range st.paths(path[:at+1]) {
			if r := st.Resources[other]; r.ID == id && strings.LastIndexByte(other, '/') == at {
				return other, r, nil
			}
		}
	}
	return "", nil, notFound(path)
}

// add puts a new resource at its path.
func (s *Server) add(path string, r *resource) error {
	if s.state.Resources[path] != nil {
		return exists(path)
	}
	s.state.Resources[path] = r
	s.dirty = true
	return nil
}

func newID() uint64 { return 1_000_000_000_000_000_000 + rand.Uint64N(8_000_000_000_000_000_000) }

// fixedID is the same for the same name in each sandbox.
func fixedID(name string) uint64 {
	sum := sha256.Sum256([]byte(name))
	return 1_000_000_000_000_000_000 + binary.BigEndian.Uint64(sum[:])%8_000_000_000_000_000_000
}

// fingerprint changes with what it is of.
func fingerprint(v any) string {
	text, _ := json.Marshal(v)
	sum := sha256.Sum256(text)
	return base64.StdEncoding.EncodeToString(sum[:8])
}

// last is the name at the end of a path or URL.
func last(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// reference turns what a client wrote for a resource into its path: a URL of
// any host, a path from "projects/", or one that lacks the project. within is
// the path that shorter ones are relative to, such as "projects/p".
func reference(text, within string) string {
	if at := strings.Index(text, "/projects/"); at >= 0 {
		return text[at+1:]
	}
	text = strings.TrimPrefix(text, "/")
	if strings.HasPrefix(text, "projects/") {
		return text
	}
	return within + "/" + text
}
