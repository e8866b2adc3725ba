package buildkitd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
	"time"

	"github.com/gofrs/flock"

	"github.com/ingot-build/ingot/internal/background"
)

// IdleEnv names the environment variable with the time, e.g. "5m", after which
// a daemon that nobody uses is stopped.
const IdleEnv = "INGOT_BUILDKIT_IDLE"

const (
	idleDefault  = 5 * time.Minute
	startTimeout = time.Minute
	stopTimeout  = 20 * time.Second
)

// Supervise runs the daemon of the folder that args names, until it is idle,
// ends, or ctx does. It is what the hidden command Command does.
func Supervise(ctx context.Context, args []string) error {
	if len(args) > 1 && args[0] == initArg {
		return becomeDaemon(args[1:])
	}
	if len(args) != 1 {
		return fmt.Errorf("%s: one folder expected", Command)
	}
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer stop()
	signal.Ignore(syscall.SIGHUP)

	report := background.Reporting()
	err := supervise(ctx, args[0], report)
	if err != nil {
		report.Fail(err)
	}
	return err
}

func supervise(ctx context.Context, dir string, report *background.Report) error {
	if err := os.Chdir(dir); err != nil { // the socket's path must be short
		return err
	}
	tools, err := findTools()
	if err != nil {
		return err
	}
	lock := flock.New(superLock)
	waiting, cancel := context.WithTimeout(ctx, stopTimeout)
	defer cancel()
	if _, err := lock.TryLockContext(waiting, retry); err != nil {
		return fmt.Errorf("another supervisor holds %s: %w", filepath.Join(dir, superLock), err)
	}
	defer lock.Close()
	if err := os.WriteFile(pidName, []byte(strconv.Itoa(os.Getpid())), 0o600); err != nil {
		return err
	}
	defer os.Remove(pidName)

	d, err := launch(dir, tools)
	if err != nil {
		return err
	}
	defer d.stop()
	if err := d.awaitReady(ctx); err != nil {
		return err
	}
	report.Ready()
	return d.untilIdle(ctx, idleTime())
}

func idleTime() time.Duration {
	if d, err := time.ParseDuration(os.Getenv(IdleEnv)); err == nil && d > 0 {
		return d
	}
	return idleDefault
}

// daemon is a running buildkitd.
type daemon struct {
	cmd    *exec.Cmd
	notify *notifySocket
	done   chan struct{} // closed when it has ended
	err    error         // why, once done
}

// launch starts buildkitd. The thread that starts it stays, because the kernel
// kills the daemon when that thread ends (Pdeathsig).
func launch(dir string, t tools) (*daemon, error) {
	_ = os.Remove(socketName) // of one that was killed
	notify, err := listenNotify()
	if err != nil {
		return nil, err
	}
	cmd, err := command(dir, t)
	if err != nil {
		notify.Close()
		return nil, err
	}
	temp, err := emptyTemp(dir)
	if err != nil {
		notify.Close()
		return nil, err
	}
	cmd.Env = append(cmd.Environ(), "NOTIFY_SOCKET="+notify.name, "TMPDIR="+temp,
		"BUILDKIT_STEP_LOG_MAX_SIZE=-1", "BUILDKIT_STEP_LOG_MAX_SPEED=-1") // a step's output is shown whole
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	d := &daemon{cmd: cmd, notify: notify, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := cmd.Start()
		started <- err
		if err == nil {
			d.err = cmd.Wait()
			close(d.done)
		}
	}()
	if err := <-started; err != nil {
		notify.Close()
		return nil, fmt.Errorf("start buildkitd: %w", err)
	}
	return d, nil
}

// emptyTemp makes the daemon's own folder for temporary files: that of whoever
// started it may be gone before the daemon is.
func emptyTemp(dir string) (string, error) {
	temp := filepath.Join(dir, tempName)
	if err := os.RemoveAll(temp); err != nil {
		return "", err
	}
	return temp, os.Mkdir(temp, 0o700)
}

func (d *daemon) awaitReady(ctx context.Context) error {
	defer d.notify.Close()
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	got := make(chan error, 1)
	go func() { got <- d.notify.ready() }()
	select {
	case err := <-got:
		return err
	case <-d.done:
		return fmt.Errorf("buildkitd ended before it was ready: %v", d.err)
	case <-ctx.Done():
		return fmt.Errorf("buildkitd is not ready: %w", ctx.Err())
	}
}

// untilIdle returns when nobody has used the daemon for the idle time. It then
// holds the lock that keeps new clients from finding the daemon while it stops.
func (d *daemon) untilIdle(ctx context.Context, idle time.Duration) error {
	began := time.Now()
	wait := idle
	for {
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		case <-d.done:
			timer.Stop()
			return fmt.Errorf("buildkitd ended: %v", d.err)
		case <-timer.C:
		}
		if wait = idle - time.Since(lastUse(began)); wait > 0 {
			continue
		}
		starting, clients := flock.New(startLock), flock.New(clientsLock)
		if alone(starting, clients) {
			d.stop()
			return errors.Join(clients.Close(), starting.Close())
		}
		if err := errors.Join(clients.Close(), starting.Close()); err != nil {
			return err
		}
		wait = idle
	}
}

func alone(locks ...*flock.Flock) bool {
	for _, l := range locks {
		if ok, err := l.TryLock(); err != nil || !ok {
			return false
		}
	}
	return true
}

// lastUse is when the last client left, or the daemon was started.
func lastUse(began time.Time) time.Time {
	if st, err := os.Stat(clientsLock); err == nil && st.ModTime().After(began) {
		return st.ModTime()
	}
	return began
}

// stop asks the daemon to end, kills it when it does not, and removes its
// socket. It may be called again.
func (d *daemon) stop() {
	_ = d.cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-d.done:
	case <-timer.C:
		_ = d.cmd.Process.Kill()
		<-d.done
	}
	_ = os.Remove(socketName)
}
