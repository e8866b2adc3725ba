package sandbox

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
	"github.com/google/renameio/v2"

	"github.com/ingot-build/ingot/internal/background"
	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// Daemon is the one sandbox of a user, which a process of its own runs. The
// zero value with the folders set works.
type Daemon struct {
	Dir   string // of its state; readable by the user alone
	Bases string // as in Options
	// Command is what starts the daemon's process: a program and arguments.
	// The process calls Run.
	Command []string
	Timing  string        // as timing.Parse reads it
	Idle    time.Duration // without a machine or a request, after which it ends; 0 is IdleDefault
}

// Log is the file that the daemon logs to.
func (d *Daemon) Log() string { return filepath.Join(d.Dir, logName) }

// GoogleTokenFile is a file that has the token for Google's services alone, as
// gcloud reads it.
func (d *Daemon) GoogleTokenFile() string { return filepath.Join(d.Dir, tokenName) }

// IdleDefault is when a daemon that nobody uses ends.
const IdleDefault = 30 * time.Minute

// Names of what is in the daemon's folder, beside the state.
const (
	addressName = "address"
	tokenName   = "google-token"
	logName     = "daemon.log"
	daemonLock  = "daemon.lock" // held while it runs
)

const (
	retry       = 25 * time.Millisecond // how often a lock that another holds is asked for again
	stopTimeout = time.Minute
)

// ErrNotRoot is why no sandbox can run for most users.
var ErrNotRoot = errors.New("the sandbox needs root: its machines run in namespaces of this host")

// ErrNotRunning is returned where no daemon runs.
var ErrNotRunning = errors.New("no sandbox runs")

// Find returns a client of the daemon that runs, or ErrNotRunning.
func (d *Daemon) Find(ctx context.Context) (*Client, error) {
	lock := flock.New(filepath.Join(d.Dir, daemonLock))
	if _, err := os.Stat(lock.Path()); errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNotRunning
	}
	free, err := lock.TryRLock()
	if err = errors.Join(err, lock.Close()); err != nil {
		return nil, err
	}
	if free {
		return nil, ErrNotRunning
	}
	c, err := connect(ctx, d.Dir)
	if err != nil {
		return nil, fmt.Errorf("the sandbox does not answer: %w", err)
	}
	return c, nil
}

// Use returns a client of the daemon, which is started where none runs.
func (d *Daemon) Use(ctx context.Context) (*Client, error) {
	if err := Available(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(d.Dir, 0o700); err != nil {
		return nil, err
	}
	if c, err := d.Find(ctx); err == nil {
		return c, nil
	}
	unlock, err := d.exclusive(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if c, err := d.Find(ctx); err == nil {
		return c, nil
	}
	if err := d.start(ctx); err != nil {
		return nil, err
	}
	return d.Find(ctx)
}

// exclusive keeps others from starting or ending the daemon. The lock is beside
// the folder, which may be removed under it.
func (d *Daemon) exclusive(ctx context.Context) (unlock func(), err error) {
	lock := flock.New(d.Dir + ".lock")
	if _, err := lock.TryLockContext(ctx, retry); err != nil {
		return nil, err
	}
	return func() { _ = lock.Close() }, nil
}

// start starts the daemon in a session of its own and waits until it answers.
func (d *Daemon) start(ctx context.Context) error {
	args := append(d.Command[1:len(d.Command):len(d.Command)], "-timing", d.Timing, "-idle", d.idle().String(), d.Dir, d.Bases)
	cmd := exec.Command(d.Command[0], args...)
	cmd.Dir = "/"
	return background.Start(ctx, cmd, d.Log(), "the sandbox")
}

func (d *Daemon) idle() time.Duration {
	if d.Idle > 0 {
		return d.Idle
	}
	return IdleDefault
}

// Run is the daemon's process. It returns when it was told to end, was not
// used for the idle time, or ctx ends. It reports that it answers, or why not.
func (d *Daemon) Run(ctx context.Context, o Options, report *background.Report) error {
	err := d.run(ctx, o, report)
	if err != nil {
		report.Fail(err)
	}
	return err
}

func (d *Daemon) run(ctx context.Context, o Options, report *background.Report) error {
	lock := flock.New(filepath.Join(d.Dir, daemonLock))
	waiting, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if _, err := lock.TryLockContext(waiting, retry); err != nil {
		return fmt.Errorf("another sandbox holds %s: %w", lock.Path(), err)
	}
	defer lock.Close()
	var err error
	if o.Timing, err = timing.Parse(d.Timing); err != nil {
		return err
	}
	o.Dir, o.Bases = d.Dir, d.Bases
	if before, err := os.ReadFile(filepath.Join(d.Dir, addressName)); err == nil {
		o.Listen = string(before) // what was told to other programs stays true
	}
	s, err := New(o)
	if err != nil {
		return err
	}
	defer s.Close()
	for name, text := range map[string]string{addressName: s.Address(), tokenName: s.access.GoogleToken} {
		if err := renameio.WriteFile(filepath.Join(d.Dir, name), []byte(text), 0o600); err != nil {
			return err
		}
	}
	report.Ready()
	s.await(ctx, d.idle())
	return s.Close()
}

// await returns when ctx ends, the sandbox was told to end or was idle.
func (s *Server) await(ctx context.Context, idle time.Duration) {
	for left := idle; left > 0; left = idle - s.Idle() {
		timer := time.NewTimer(left)
		select {
		case <-timer.C:
			continue
		case <-ctx.Done():
		case <-s.shutdown:
		}
		timer.Stop()
		return
	}
}

// Stop ends the daemon and leaves its state. It is no error when none runs.
func (d *Daemon) Stop(ctx context.Context) error {
	if _, err := os.Stat(d.Dir); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	unlock, err := d.exclusive(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	return d.stop(ctx)
}

func (d *Daemon) stop(ctx context.Context) error {
	if c, err := d.Find(ctx); err == nil {
		if err := c.shutdown(ctx); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	lock := flock.New(filepath.Join(d.Dir, daemonLock))
	if _, err := lock.TryLockContext(ctx, retry); err != nil {
		return fmt.Errorf("the sandbox does not end: %w", err)
	}
	return lock.Close()
}

// Remove ends the daemon and removes all that it has made: processes, mounts,
// addresses, disks and images. The bases stay. It reports whether there was
// anything.
func (d *Daemon) Remove(ctx context.Context) (bool, error) {
	if _, err := os.Stat(d.Dir); errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err := Available(); err != nil {
		return false, err
	}
	unlock, err := d.exclusive(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	defer os.Remove(d.Dir + ".lock")
	if err := d.stop(ctx); err != nil {
		return false, err
	}
	return true, Remove(Options{Dir: d.Dir, Bases: d.Bases})
}

// Remove removes the state of a sandbox that does not run. Opening the host
// clears what one that was killed has left.
func Remove(o Options) error {
	h, err := host.Open(filepath.Join(o.Dir, hostName), o.Bases)
	if err != nil {
		return err
	}
	if err := h.Close(); err != nil {
		return err
	}
	return os.RemoveAll(o.Dir)
}
