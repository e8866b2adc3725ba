// Package buildkitd runs the bundled BuildKit daemon: one for each user, on a
// private socket, started by the first who needs it and stopped when nobody
// has used it for a while.
//
// Clients hold a shared lock while they work. A supervising process, which is
// ingot itself under a hidden command, starts the daemon, waits until nobody
// has held the lock for the idle time, and stops it. The kernel drops the lock
// of a client that was killed, so none has to be counted.
package buildkitd

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/gofrs/flock"
)

// Names of what is in the daemon's folder.
const (
	socketName  = "buildkitd.sock"
	tracesName  = "traces.sock"
	runtimeName = "run"
	logName     = "buildkitd.log"
	configName  = "buildkitd.toml" // written by the user, e.g. for mirrors
	clientsLock = "clients.lock"
	startLock   = "start.lock"
	superLock   = "supervisor.lock"
	pidName     = "supervisor.pid"
	tempName    = "tmp" // the daemon's temporary files
)

// retry is how often a lock that others hold is asked for again.
const retry = 25 * time.Millisecond

// Lease keeps the daemon of a folder running until it is released.
type Lease struct {
	dir     string
	clients *flock.Flock
}

// Use starts the daemon of the folder dir where none runs, and returns a lease
// of it. The folder is made where it is missing, readable by the user alone.
func Use(ctx context.Context, dir string) (*Lease, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	clients := flock.New(filepath.Join(dir, clientsLock))
	if _, err := clients.TryRLockContext(ctx, retry); err != nil {
		return nil, err
	}
	l := &Lease{dir: dir, clients: clients}
	if err := l.ensure(ctx); err != nil {
		_ = l.Release()
		return nil, err
	}
	return l, nil
}

// ensure starts the daemon unless it answers; one client at a time.
func (l *Lease) ensure(ctx context.Context) error {
	if l.alive(ctx) {
		return nil
	}
	lock := flock.New(filepath.Join(l.dir, startLock))
	if _, err := lock.TryLockContext(ctx, retry); err != nil {
		return err
	}
	defer lock.Unlock()
	if l.alive(ctx) {
		return nil
	}
	return start(ctx, l.dir)
}

func (l *Lease) alive(ctx context.Context) bool {
	conn, err := l.Dial(ctx, "")
	if err != nil {
		return false
	}
	return conn.Close() == nil
}

// Dial connects to the daemon. The address is not used.
func (l *Lease) Dial(ctx context.Context, _ string) (net.Conn, error) {
	return dialUnix(ctx, l.dir, socketName)
}

// Log returns the path of the daemon's log.
func (l *Lease) Log() string { return filepath.Join(l.dir, logName) }

// Release ends the lease. The idle time of the daemon starts with the last one.
func (l *Lease) Release() error {
	now := time.Now()
	_ = os.Chtimes(l.clients.Path(), now, now)
	return l.clients.Close()
}

// maxSocketPath is a little less than the 107 bytes that the address of a unix
// socket has room for.
const maxSocketPath = 100

// dialUnix connects to a socket whose whole path may be longer than that.
func dialUnix(ctx context.Context, dir, name string) (net.Conn, error) {
	path := filepath.Join(dir, name)
	var d net.Dialer
	if len(path) < maxSocketPath {
		return d.DialContext(ctx, "unix", path)
	}
	f, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return d.DialContext(ctx, "unix", fmt.Sprintf("/proc/self/fd/%d/%s", f.Fd(), name))
}

// Stop ends the daemon of the folder dir, in use or not. It is no error when
// none runs.
func Stop(ctx context.Context, dir string) error {
	lock := flock.New(filepath.Join(dir, superLock))
	if _, err := os.Stat(lock.Path()); err != nil {
		return nil
	}
	free, err := lock.TryLock()
	if err != nil || free {
		return closeLock(lock, err)
	}
	text, err := os.ReadFile(filepath.Join(dir, pidName))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", pidName, err)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return err
	}
	_ = p.Signal(os.Interrupt)
	_, err = lock.TryLockContext(ctx, retry)
	return closeLock(lock, err)
}

func closeLock(lock *flock.Flock, err error) error {
	if e := lock.Close(); err == nil {
		err = e
	}
	return err
}
