package first

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// controlFD is where it finds its connection to the host.
const controlFD = 3

// grace is how long processes have to end when the machine shuts down. Debian
// gives them 90 s; what runs in a sandbox has no disk cache to write back.
const grace = 3 * time.Second

// IsMachine says that this process was started to be the first one of a
// machine: then main must do nothing but exit with Run's result.
func IsMachine() bool { return len(os.Args) > 0 && os.Args[0] == Name }

// Run is the first process of a machine: it makes the machine's file
// tree, starts its programs and reaps them. It returns when the machine can't
// boot, or the host is gone.
func Run() int {
	// What a process may not do is said thread by thread: all programs are
	// started by this one.
	runtime.LockOSThread()
	m, err := newMachine()
	if err == nil {
		err = m.run()
	}
	if err != nil {
		fmt.Fprintf(os.Stdout, "boot: %v\n", err)
		if m != nil {
			_ = m.wire.Send(Report{Error: err.Error()})
		}
		return 1
	}
	return 0
}

// machine is this one, from inside.
type machine struct {
	wire    *Wire
	orders  chan Order
	gone    chan struct{} // the host is
	power   chan power
	signals chan os.Signal
	ready   chan struct{} // sshd listens, or will not
	boot    *Boot
	procs   map[int]func(unix.WaitStatus)
}

// power is how a machine ends, as an argument of reboot(2).
type power int

const (
	restart power = unix.LINUX_REBOOT_CMD_RESTART
	halt    power = unix.LINUX_REBOOT_CMD_POWER_OFF
)

func newMachine() (*machine, error) {
	file := os.NewFile(controlFD, "control")
	conn, err := net.FileConn(file)
	if err != nil {
		return nil, errors.New("a machine's first process is started by the sandbox, not by hand")
	}
	if err := file.Close(); err != nil {
		return nil, err
	}
	m := &machine{
		wire: NewWire(conn), orders: make(chan Order), gone: make(chan struct{}),
		power: make(chan power, 1), signals: make(chan os.Signal, 16), ready: make(chan struct{}),
		procs: map[int]func(unix.WaitStatus){},
	}
	signal.Notify(m.signals, unix.SIGCHLD, unix.SIGINT, unix.SIGTERM, unix.SIGPWR, unix.SIGUSR1, unix.SIGUSR2, rtmin3, rtmin4, rtmin5)
	go m.listen()
	return m, nil
}

// listen reads orders until the host is gone. That may be at once, and takes
// the machine with it: nothing of it must outlive the host.
func (m *machine) listen() {
	defer close(m.gone)
	for {
		var o Order
		if err := m.wire.Receive(&o); err != nil {
			return
		}
		m.orders <- o
	}
}

// run boots the machine and does what it is told until its end.
func (m *machine) run() error {
	select {
	case o := <-m.orders:
		m.boot = o.Boot
	case <-m.gone:
		return io.ErrUnexpectedEOF
	}
	if m.boot == nil {
		return errors.New("the first order must be to boot")
	}
	if err := m.start(); err != nil {
		return err
	}
	debug.SetGCPercent(100) // it was off, for a quick start
	for {
		select {
		case o := <-m.orders:
			if o.Stop {
				return m.shutdown(halt)
			}
			if err := m.obey(o); err != nil {
				return err
			}
		case s := <-m.signals:
			if how, ok := m.signal(s); ok {
				return m.shutdown(how)
			}
		case how := <-m.power:
			return m.shutdown(how)
		case <-m.ready:
			m.ready = nil
			if err := m.wire.Send(Report{Listening: true}); err != nil {
				return err
			}
		case <-m.gone:
			return nil
		}
	}
}

// start makes the machine what its image and its boot say.
func (m *machine) start() error {
	steps := []struct {
		what string
		do   func() error
	}{
		{"mount the file tree", m.mount},
		{"set up the machine", m.setup},
		{"give up what belongs to the host", dropCapabilities},
		{"listen for shutdown", m.initctl},
		{"open the console", openConsoles},
		{"listen for devices", m.follow},
		{"report", func() error { return m.wire.Send(Report{Running: true}) }},
	}
	for _, s := range steps {
		if err := s.do(); err != nil {
			return fmt.Errorf("%s: %w", s.what, err)
		}
	}
	return nil
}

// obey does what an order says.
func (m *machine) obey(o Order) error {
	var err error
	switch {
	case o.Network:
		return m.services()
	case o.Users != nil:
		err = addUsers(o.Users)
	case o.Pause:
		err = pause()
	case o.Resume:
		err = killAll(unix.SIGCONT)
	}
	if err != nil {
		return m.wire.Send(Report{Done: true, Error: err.Error()})
	}
	return m.wire.Send(Report{Done: true})
}

// pause stops all processes, and writes their files to the disks.
func pause() error {
	if err := killAll(unix.SIGSTOP); err != nil {
		return err
	}
	mounts, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return !strings.HasPrefix(i.Source, "/dev/"), false
	})
	if err != nil {
		return err
	}
	for _, mount := range mounts {
		dir, err := os.Open(mount.Mountpoint)
		if err != nil {
			return err
		}
		err = unix.Syncfs(int(dir.Fd()))
		if err = errors.Join(err, dir.Close()); err != nil {
			return fmt.Errorf("sync %s: %w", mount.Mountpoint, err)
		}
	}
	return nil
}

// killAll signals all processes of the machine but this one.
func killAll(s unix.Signal) error {
	if err := unix.Kill(-1, s); err != nil && !errors.Is(err, unix.ESRCH) {
		return err
	}
	return nil
}

// noLogins is what keeps others than root from logging in while it is there, as
// systemd makes it when a machine goes down (see nologin(5)).
const noLogins = "/run/nologin"

// shutdown ends all processes and then the machine, which this process does not
// survive: who waits for it sees how it ended.
func (m *machine) shutdown(how power) error {
	fmt.Println("shutting down")
	if err := os.WriteFile(noLogins, []byte("The machine is going down.\n"), 0o644); err != nil {
		fmt.Println(err) // a full /run must not keep it up
	}
	for _, s := range []unix.Signal{unix.SIGTERM, unix.SIGHUP, unix.SIGCONT} {
		if err := killAll(s); err != nil {
			return err
		}
	}
	late := time.NewTimer(grace)
	defer late.Stop()
	for m.reap() {
		select {
		case <-m.signals:
		case <-late.C:
			if err := killAll(unix.SIGKILL); err != nil {
				return err
			}
		case <-m.orders:
		case <-m.gone:
			return nil
		}
	}
	return unix.Reboot(int(how))
}
