package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"
)

// Dead is what a run left that ended without closing its journal, or that
// closed it with something left.
type Dead struct {
	RunID     string
	Began     time.Time // of the first entry
	Resources []Resource
	Held      []Held // that a later run may go on with

	dir    string
	over   []string // builds that were held, and are not any more
	spared map[string]bool
	lock   *flock.Flock // nil where it is not taken
}

// Spared reports whether what the build made was left on purpose.
func (d Dead) Spared(build string) bool { return d.spared[build] }

// LetGo ends that the run is taken. It may be called again.
func (d Dead) LetGo() error {
	if d.lock == nil {
		return nil
	}
	return d.lock.Unlock()
}

// ReadDead returns the dead runs whose journals are below dir, each with what
// is neither gone nor kept. What is held until after now is told apart. A
// journal that can't be read is an error beside the others.
func ReadDead(dir string, now time.Time) ([]Dead, error) { return allDead(dir, now, readDead) }

// TakeDead is ReadDead for those who are to remove what the runs left: until
// they let go of a run, nobody else goes on with it or removes it. What others
// have taken is not there.
func TakeDead(dir string, now time.Time) ([]Dead, error) { return allDead(dir, now, takeDead) }

func allDead(dir string, now time.Time, read func(dir, runID string, now time.Time) (Dead, error)) ([]Dead, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var dead []Dead
	var errs []error
	for _, f := range files {
		runID, ok := strings.CutSuffix(f.Name(), extension)
		if !ok || Live(dir, runID) {
			continue
		}
		d, err := read(dir, runID, now)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, ErrLive): // taken by another process just now
		case err != nil:
			errs = append(errs, fmt.Errorf("journal %s: %w", path(dir, runID), err))
		case len(d.Resources) > 0 || len(d.Held) > 0:
			dead = append(dead, d)
		default: // it died after its last resource was gone
			errs = append(errs, d.Forget(nil), d.LetGo())
		}
	}
	return dead, errors.Join(append(errs, err)...)
}

func takeDead(dir, runID string, now time.Time) (Dead, error) {
	lock, err := seize(path(dir, runID))
	if err != nil {
		return Dead{}, err
	}
	d, err := readDead(dir, runID, now)
	if d.lock = lock; err != nil {
		err = errors.Join(err, d.LetGo())
	}
	if errors.Is(err, fs.ErrNotExist) {
		err = errors.Join(err, remove(path(dir, runID)+lockExtension))
	}
	return d, err
}

// Live reports whether a run that has a journal below dir is still under way.
// A run without one has made nothing.
func Live(dir, runID string) bool {
	if runID == "" || runID != filepath.Base(runID) {
		return false // not one of ours: ids of runs come from tags, too
	}
	if _, err := os.Stat(path(dir, runID)); err != nil {
		return false
	}
	// Shared, so that two who look do not see each other.
	lock := flock.New(path(dir, runID)+lockExtension, flock.SetFlag(os.O_RDONLY))
	free, err := lock.TryRLock()
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	_ = lock.Close()
	return !free
}

func readDead(dir, runID string, now time.Time) (Dead, error) {
	text, err := os.ReadFile(path(dir, runID))
	if err != nil {
		return Dead{}, err
	}
	s, err := parse(text)
	d := Dead{RunID: runID, dir: dir, spared: s.spared}
	for _, r := range s.left() {
		if d.Began.IsZero() || r.Created.Before(d.Began) {
			d.Began = r.Created
		}
		if s.held[r.Build].IsZero() {
			d.Resources = append(d.Resources, r)
		}
	}
	for _, build := range slices.Sorted(maps.Keys(s.held)) {
		h := Held{Build: build, Until: s.held[build]}
		for _, r := range s.left() {
			if r.Build == build {
				h.Resources = append(h.Resources, r)
			}
		}
		d.Held = append(d.Held, h)
	}
	d.Release(func(build string) bool { return !s.held[build].After(now) })
	return d, err
}

// state is what the lines of a journal come to.
type state struct {
	open  map[int]*Resource // by number; nil is gone or kept
	order []int             // numbers, as they were written
	builds
}

func (s state) left() []Resource {
	var left []Resource
	for _, n := range s.order {
		if r := s.open[n]; r != nil {
			left = append(left, *r)
		}
	}
	return left
}

// parse reads the lines of a journal. The last line may be cut off: then what
// it was to tell had not been done.
func parse(text []byte) (state, error) {
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	s := state{open: map[int]*Resource{}}
	n := 0
	for row := range bytes.Lines(whole) {
		n++
		var l line
		if err := json.Unmarshal(row, &l); err != nil {
			return state{}, fmt.Errorf("line %d: %w", n, err)
		}
		switch r := s.open[l.N]; {
		case l.State == Holding || l.State == Freed || l.State == Spared:
			s.take(l)
		case l.State == Intended && l.Resource != nil:
			if r == nil {
				s.order = append(s.order, l.N)
			}
			s.open[l.N] = l.Resource
		case l.State == Made && r != nil:
			r.ID = l.ID
		case l.State == Gone || l.State == Kept:
			s.open[l.N] = nil
		}
	}
	return s, nil
}

// Forget takes from the run's journal all but the resources that are to stay
// in it, and what is held. Without any its file is removed.
func (d Dead) Forget(stay []Resource) error {
	file := path(d.dir, d.RunID)
	if len(stay) == 0 && len(d.Held) == 0 {
		return errors.Join(remove(file), remove(file+lockExtension), os.RemoveAll(heldDir(d.dir, d.RunID)))
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	var lines []line
	for _, h := range d.Held {
		stay = append(stay[:len(stay):len(stay)], h.Resources...)
		lines = append(lines, line{State: Holding, Build: h.Build, Until: h.Until})
	}
	for _, build := range slices.Sorted(maps.Keys(d.spared)) {
		lines = append(lines, line{State: Spared, Build: build})
	}
	for i, r := range stay {
		lines = append(lines, line{N: i + 1, State: Intended, Resource: &r})
	}
	for _, l := range lines {
		if err := enc.Encode(l); err != nil {
			return err
		}
	}
	if err := renameio.WriteFile(file, text.Bytes(), 0o600); err != nil {
		return err
	}
	return d.forgetHeld()
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
