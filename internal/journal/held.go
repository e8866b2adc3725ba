package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// Held is what a build made that failed, left for a later run to go on with.
type Held struct {
	Build     string     `json:"build"` // its address
	Until     time.Time  `json:"until"`
	Resources []Resource `json:"resources"` // none where the machine was there before
}

// ErrNotThere is in the chain of Resume's error when the run has no journal.
var ErrNotThere = errors.New("it has no journal on this host")

// ErrLive is in the chain of Resume's error when another process has the
// journal: it goes on with the run, or sweeps it.
var ErrLive = errors.New("it is under way")

// HeldDir is the folder for what is needed to go on with a build of a run that
// is held. It may hold secrets: it is to be the user's alone. It is removed
// when the build is freed, and when what it left is swept.
func HeldDir(dir, runID, build string) string {
	return filepath.Join(heldDir(dir, runID), url.PathEscape(build))
}

func heldDir(dir, runID string) string { return filepath.Join(dir, runID+".held") }

// Hold notes that what the build made is to stay until then. When it returns
// without error the line is on disk.
func (j *Journal) Hold(build string, until time.Time) error {
	return j.hold(line{State: Holding, Build: build, Until: until.UTC()})
}

// Free notes that what the build made is not to stay any longer.
func (j *Journal) Free(build string) error {
	if j == nil || j.entries == nil {
		return nil
	}
	j.mu.Lock()
	held := !j.held[build].IsZero()
	j.mu.Unlock()
	if !held {
		return nil
	}
	err := j.hold(line{State: Freed, Build: build})
	err = errors.Join(err, os.RemoveAll(HeldDir(j.dir, j.runID, build)))
	_ = os.Remove(heldDir(j.dir, j.runID)) // unless there are others
	return err
}

// Spare notes that what the build made is left on purpose, unless it is held.
func (j *Journal) Spare(build string) error {
	if j == nil || j.entries == nil || len(j.Entries(build)) == 0 {
		return nil
	}
	j.mu.Lock()
	known := !j.held[build].IsZero() || j.spared[build]
	j.mu.Unlock()
	if known {
		return nil
	}
	return j.hold(line{State: Spared, Build: build})
}

// hold writes a line about a build.
func (j *Journal) hold(l line) error {
	if j == nil || j.entries == nil {
		return errors.New("journal: there is none, and without one nothing is held")
	}
	j.mu.Lock()
	err := j.open()
	n := 0
	if err == nil {
		n, err = j.append(l)
	}
	if err == nil {
		j.take(l)
	}
	j.mu.Unlock()
	if err == nil {
		err = j.sync(n)
	}
	if err != nil {
		return fmt.Errorf("journal: %w", err)
	}
	return nil
}

// builds are what is known of builds as such.
type builds struct {
	held   map[string]time.Time // until when
	spared map[string]bool
}

// take takes in a line about a build.
func (b *builds) take(l line) {
	if b.held == nil {
		b.held, b.spared = map[string]time.Time{}, map[string]bool{}
	}
	delete(b.held, l.Build)
	delete(b.spared, l.Build)
	switch l.State {
	case Holding:
		b.held[l.Build] = l.Until
	case Spared:
		b.spared[l.Build] = true
	}
}

// Resume returns the journal of a run that is over, to go on with it.
func Resume(dir, runID string) (*Journal, error) {
	file := path(dir, runID)
	if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) || runID == "" || runID != filepath.Base(runID) {
		return nil, ErrNotThere
	}
	lock, err := seize(file)
	if err != nil {
		return nil, err
	}
	j, err := reopen(dir, runID)
	if err != nil {
		return nil, errors.Join(err, lock.Unlock())
	}
	j.lock = lock
	return j, nil
}

// seizing is how long it may take until those who look whether a run lives have
// done so.
const seizing = 200 * time.Millisecond

// seize locks a journal, as the run does that writes it.
func seize(file string) (*flock.Flock, error) {
	ctx, cancel := context.WithTimeout(context.Background(), seizing)
	defer cancel()
	lock := flock.New(file + lockExtension)
	_, err := lock.TryLockContext(ctx, seizing/20)
	if ctx.Err() != nil {
		return nil, ErrLive
	}
	return lock, err
}

// reopen reads a journal and goes on where it ends. A line that was cut off is
// taken away: what it was to tell had not been done.
func reopen(dir, runID string) (*Journal, error) {
	text, err := os.ReadFile(path(dir, runID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotThere // swept just now
	}
	if err != nil {
		return nil, err
	}
	s, err := parse(text)
	if err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path(dir, runID), os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(int64(bytes.LastIndexByte(text, '\n') + 1)); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	j := Open(dir, runID)
	j.file, j.builds = f, s.builds
	for _, n := range s.order {
		j.next = max(j.next, n)
		if r := s.open[n]; r != nil {
			j.entries[n] = &Entry{j: j, n: n, r: *r}
		}
	}
	return j, nil
}

// Entries returns those of a build that are neither gone nor kept, in the order
// in which they were made.
func (j *Journal) Entries(build string) []*Entry {
	if j == nil {
		return nil
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	var out []*Entry
	for n := 1; n <= j.next; n++ {
		if e := j.entries[n]; e != nil && e.Resource().Build == build {
			out = append(out, e)
		}
	}
	return out
}

// Release has what is held of the builds swept like anything else that a dead
// run left.
func (d *Dead) Release(builds func(address string) bool) {
	var stay []Held
	for _, h := range d.Held {
		if builds(h.Build) {
			d.Resources = append(d.Resources, h.Resources...)
			d.over = append(d.over, h.Build)
		} else {
			stay = append(stay, h)
		}
	}
	d.Held = stay
}

// Released reports whether something was held that is not any more.
func (d Dead) Released() bool { return len(d.over) > 0 }

// forgetHeld removes what is needed to go on with builds that are held no more.
func (d Dead) forgetHeld() error {
	var errs []error
	for _, build := range d.over {
		errs = append(errs, os.RemoveAll(HeldDir(d.dir, d.RunID, build)))
	}
	return errors.Join(errs...)
}
