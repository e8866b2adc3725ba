// Package journal keeps what a run is about to create in a cloud, written
// before it is created, so that what a dead run left can be found and removed.
// Each run has one file of JSON lines in the folder of journals, locked for as
// long as the run lives: a file that nobody holds is that of a dead run.
package journal

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gofrs/flock"
)

// Resource is one thing in a cloud, about to be created or there.
type Resource struct {
	Cloud string `json:"cloud"` // "amazon" or "google"
	// Place is where it is, as its cloud finds it again: a region, or
	// "project/zone", "project/global".
	Place string `json:"place"`
	Kind  string `json:"kind"` // "instance", "image", "key-pair", "disk" …
	// Name, Token and Tags find a resource whose id is not known: the run was
	// killed between the call and its answer. Name is deterministic, Token the
	// idempotency token of the create call.
	Name  string            `json:"name,omitempty"`
	Token string            `json:"token,omitempty"`
	Tags  map[string]string `json:"tags,omitempty"`
	// Access says how the cloud was reached, so that a sweep reaches it too: a
	// profile, an endpoint, a file of credentials. It holds no secret.
	Access  map[string]string `json:"access,omitempty"`
	ID      string            `json:"id,omitempty"` // once it is known
	Build   string            `json:"build,omitempty"`
	Created time.Time         `json:"created"`
}

// Journal is the journal of one run that lives. Its zero value, and nil, keep
// nothing. It is safe for concurrent use.
type Journal struct {
	mu      sync.Mutex
	dir     string
	runID   string
	file    *os.File
	lock    *flock.Flock
	next    int
	entries map[int]*Entry // that are neither gone nor kept
	builds
	written int // lines

	syncing sync.Mutex
	synced  int // lines that are on disk
}

// Entry is the line of one resource.
type Entry struct {
	j  *Journal
	n  int
	mu sync.Mutex
	r  Resource
}

// line is what a file has for each change of an entry.
type line struct {
	N        int       `json:"n,omitempty"` // 0 in a line about a build
	State    State     `json:"state"`
	Resource *Resource `json:"resource,omitempty"` // of the first line
	ID       string    `json:"id,omitempty"`
	Build    string    `json:"build,omitempty"` // of a line about a build
	Until    time.Time `json:"until,omitzero"`
}

// State is how far a resource has come.
type State string

// The states there are.
const (
	Intended State = "intended" // about to be created; it may be there or not
	Made     State = "made"     // it is there, and its id is known
	Gone     State = "gone"     // it was deleted, or never came to be
	Kept     State = "kept"     // it is what the run was for: an image that is recorded

	Holding State = "held"  // what the build made is to stay for a while
	Freed   State = "freed" // it is not any more

	// Spared says that what the build made was left on purpose, for somebody to
	// look at: nothing but a sweep that was asked for removes it.
	Spared State = "spared"
)

// Open returns the journal of a run, below dir. Its file is made with the
// first entry and removed by Close when nothing is left.
func Open(dir, runID string) *Journal {
	return &Journal{dir: dir, runID: runID, entries: map[int]*Entry{}}
}

// Intend writes that r is about to be created. When it returns without error
// the line is on disk.
func (j *Journal) Intend(r Resource) (*Entry, error) {
	if j == nil || j.entries == nil {
		return &Entry{r: r}, nil
	}
	if r.Created.IsZero() {
		r.Created = time.Now().UTC()
	}
	e, n, err := j.add(r)
	if err == nil {
		err = j.sync(n)
	}
	if err != nil {
		return nil, fmt.Errorf("journal: %w", err)
	}
	return e, nil
}

// add writes the first line of an entry, and returns which line that is.
func (j *Journal) add(r Resource) (*Entry, int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.open(); err != nil {
		return nil, 0, err
	}
	j.next++
	e := &Entry{j: j, n: j.next, r: r}
	n, err := j.append(line{N: e.n, State: Intended, Resource: &r})
	if err == nil {
		j.entries[e.n] = e
	}
	return e, n, err
}

// open makes the run's file and locks it, once.
func (j *Journal) open() error {
	if j.file != nil {
		return nil
	}
	if err := os.MkdirAll(j.dir, 0o700); err != nil {
		return err
	}
	path := path(j.dir, j.runID)
	lock := flock.New(path + lockExtension)
	if ok, err := lock.TryLock(); err != nil || !ok {
		return errors.Join(err, fmt.Errorf("%s is in use by another process", path))
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		_ = lock.Unlock()
		return err
	}
	j.file, j.lock = f, lock
	return syncDir(j.dir)
}

const (
	extension     = ".jsonl"
	lockExtension = ".lock"
)

func path(dir, runID string) string { return filepath.Join(dir, runID+extension) }

func (j *Journal) append(l line) (int, error) {
	text, err := json.Marshal(l)
	if err != nil {
		return 0, err
	}
	if _, err := j.file.Write(append(text, '\n')); err != nil {
		return 0, err
	}
	j.written++
	return j.written, nil
}

// sync returns when line n is on disk. Builds that wait at the same time share
// one fsync.
func (j *Journal) sync(n int) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	if j.synced >= n {
		return nil
	}
	j.mu.Lock()
	file, written := j.file, j.written
	j.mu.Unlock()
	if file == nil {
		return errClosed
	}
	if err := file.Sync(); err != nil {
		return err
	}
	j.synced = written
	return nil
}

var errClosed = errors.New("it is closed")

// Close lets go of the journal. Without anything left its file is removed;
// else it stays for a sweep.
func (j *Journal) Close() error {
	if j == nil {
		return nil
	}
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	if len(j.entries) == 0 && len(j.held) == 0 {
		file := path(j.dir, j.runID)
		err = errors.Join(err, os.Remove(file), os.Remove(file+lockExtension))
	}
	j.file = nil
	return errors.Join(err, j.lock.Unlock())
}

// Left returns the resources that are neither gone, kept nor held.
func (j *Journal) Left() []Resource {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []Resource
	for n := 1; n <= j.next; n++ {
		if e := j.entries[n]; e != nil && j.held[e.Resource().Build].IsZero() {
			out = append(out, e.Resource())
		}
	}
	return out
}

// Keep notes that the image with this id is recorded, and is not to be swept.
func (j *Journal) Keep(id string) error {
	var err error
	for _, e := range j.with(id) {
		err = errors.Join(err, e.end(Kept))
	}
	return err
}

// Gone notes that what has this id was deleted.
func (j *Journal) Gone(id string) error {
	var err error
	for _, e := range j.with(id) {
		err = errors.Join(err, e.end(Gone))
	}
	return err
}

// Find returns the resource with this id that is neither gone nor kept.
func (j *Journal) Find(id string) (Resource, bool) {
	for _, e := range j.with(id) {
		return e.Resource(), true
	}
	return Resource{}, false
}

// with returns the open entries with an id.
func (j *Journal) with(id string) []*Entry {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var found []*Entry
	for _, e := range j.entries {
		if e.Resource().ID == id {
			found = append(found, e)
		}
	}
	return found
}

// Resource returns the entry's resource as it is known now.
func (e *Entry) Resource() Resource {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.r
}

// Made notes the id of what was created.
func (e *Entry) Made(id string) error {
	e.mu.Lock()
	e.r.ID = id
	e.mu.Unlock()
	return e.write(line{N: e.n, State: Made, ID: id}, false)
}

// Gone notes that the resource was deleted, or never came to be.
func (e *Entry) Gone() error { return e.end(Gone) }

// Keep notes that the resource is what the run was for.
func (e *Entry) Keep() error { return e.end(Kept) }

// end notes the entry's last state. It may be called again.
func (e *Entry) end(s State) error {
	if e.j == nil {
		return nil
	}
	e.j.mu.Lock()
	_, open := e.j.entries[e.n]
	delete(e.j.entries, e.n)
	e.j.mu.Unlock()
	if !open {
		return nil
	}
	return e.write(line{N: e.n, State: s}, s == Kept)
}

func (e *Entry) write(l line, sync bool) error {
	if e.j == nil {
		return nil
	}
	n, err := e.j.change(l)
	if err == nil && sync {
		err = e.j.sync(n)
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

func (j *Journal) change(l line) (int, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return 0, errClosed
	}
	return j.append(l)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
