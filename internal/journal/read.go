package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
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

	dir string
}

// ReadDead returns the dead runs whose journals are below dir, each with what
// is neither gone nor kept. A journal that can't be read is an error beside
// the others.
func ReadDead(dir string) ([]Dead, error) {
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
		d, err := readDead(dir, runID)
		switch {
		case errors.Is(err, fs.ErrNotExist): // swept by another process just now
		case err != nil:
			errs = append(errs, fmt.Errorf("journal %s: %w", path(dir, runID), err))
		case len(d.Resources) > 0:
			dead = append(dead, d)
		default: // it died after its last resource was gone
			errs = append(errs, d.Forget(nil))
		}
	}
	return dead, errors.Join(append(errs, err)...)
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

func readDead(dir, runID string) (Dead, error) {
	text, err := os.ReadFile(path(dir, runID))
	if err != nil {
		return Dead{}, err
	}
	d := Dead{RunID: runID, dir: dir}
	d.Resources, err = parse(text)
	for _, r := range d.Resources {
		if d.Began.IsZero() || r.Created.Before(d.Began) {
			d.Began = r.Created
		}
	}
	return d, err
}

// parse returns what the lines of a journal leave. The last line may be cut
// off: then what it was to tell had not been done.
func parse(text []byte) ([]Resource, error) {
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	open := map[int]*Resource{}
	var order []int
	n := 0
	for row := range bytes.Lines(whole) {
		n++
		var l line
		if err := json.Unmarshal(row, &l); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
		switch r := open[l.N]; {
		case l.State == Intended && l.Resource != nil:
			if r == nil {
				order = append(order, l.N)
			}
			open[l.N] = l.Resource
		case l.State == Made && r != nil:
			r.ID = l.ID
		case l.State == Gone || l.State == Kept:
			open[l.N] = nil
		}
	}
	var left []Resource
	for _, n := range order {
		if r := open[n]; r != nil {
			left = append(left, *r)
		}
	}
	return left, nil
}

// Forget takes from the run's journal all but the resources that are to stay
// in it. Without any its file is removed.
func (d Dead) Forget(stay []Resource) error {
	file := path(d.dir, d.RunID)
	if len(stay) == 0 {
		return errors.Join(remove(file), remove(file+lockExtension))
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	for i, r := range stay {
		if err := enc.Encode(line{N: i + 1, State: Intended, Resource: &r}); err != nil {
			return err
		}
	}
	return renameio.WriteFile(file, text.Bytes(), 0o600)
}

func remove(file string) error {
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
