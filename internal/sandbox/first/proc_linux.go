package first

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Signals that tell an init to end the machine: systemd's halt, poweroff and
// reboot, counted from SIGRTMIN as the C library does (34).
const (
	rtmin3 = syscall.Signal(34 + 3)
	rtmin4 = syscall.Signal(34 + 4)
	rtmin5 = syscall.Signal(34 + 5)
)

// environ is what init gives to what it starts.
var environ = [...]string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "TERM=linux", "LANG=C.UTF-8", "RUNLEVEL=2", "PREVLEVEL=N"}

// signal acts on a signal, and says so when it ends the machine. SIGTERM,
// SIGUSR1 and SIGUSR2 are those of busybox's reboot, halt and poweroff.
func (m *machine) signal(s os.Signal) (power, bool) {
	switch s {
	case unix.SIGCHLD:
		m.reap()
	case unix.SIGINT, unix.SIGTERM, rtmin5:
		return restart, true
	case unix.SIGPWR, unix.SIGUSR1, unix.SIGUSR2, rtmin3, rtmin4:
		return halt, true
	}
	return 0, false
}

// spawn starts a program, whose end is told to done. Its standard error goes to
// stderr.
func (m *machine) spawn(argv []string, stderr uintptr, done func(unix.WaitStatus)) error {
	null, err := os.Open(os.DevNull)
	if err != nil {
		return err
	}
	defer null.Close()
	pid, err := syscall.ForkExec(argv[0], argv, &syscall.ProcAttr{
		Dir: "/", Env: environ[:], Files: []uintptr{null.Fd(), os.Stdout.Fd(), stderr},
		Sys: &syscall.SysProcAttr{Setsid: true},
	})
	if err != nil {
		return fmt.Errorf("%s: %w", argv[0], err)
	}
	m.procs[pid] = done
	return nil
}

// reap takes leave of the processes that have ended, and says whether there are
// others.
func (m *machine) reap() bool {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return false
		case pid == 0:
			return true
		}
		if done := m.procs[pid]; done != nil {
			delete(m.procs, pid)
			done(status)
		}
	}
}

// services starts sshd, then the image's other services, and then the scripts
// of this boot, one after the other.
func (m *machine) services() error {
	if err := m.sshd(); err != nil {
		fmt.Printf("sshd: %v\n", err)
	}
	programs, err := runlevel()
	if err != nil {
		return err
	}
	if m.boot.Identity != nil && len(m.boot.FirstBoot) > 0 {
		programs = append(programs, program{name: "first-boot script", script: m.boot.FirstBoot})
	}
	if len(m.boot.EveryBoot) > 0 {
		programs = append(programs, program{name: "every-boot script", script: m.boot.EveryBoot})
	}
	m.inTurn(programs)
	return nil
}

// program is one that a boot runs and waits for.
type program struct {
	name   string // for the console
	argv   []string
	script []byte // or its text
}

// runlevel are the services that an init without systemd starts, but for sshd.
func runlevel() ([]program, error) {
	links, err := filepath.Glob("/etc/rc2.d/S*")
	if err != nil {
		return nil, err
	}
	var all []program
	for _, path := range links {
		if name := filepath.Base(path); len(name) > 3 && name[3:] != "ssh" {
			all = append(all, program{name: name[3:], argv: []string{path, "start"}})
		}
	}
	return all, nil
}

// scriptDir is where scripts are while they run: not on the disk.
const scriptDir = "/run/ingot"

// inTurn runs programs one after the other, without waiting for them. The boot
// is finished after the last one.
func (m *machine) inTurn(all []program) {
	if len(all) == 0 {
		finishBoot()
		return
	}
	p := all[0]
	var err error
	if p.script != nil {
		p.argv = []string{filepath.Join(scriptDir, strings.Fields(p.name)[0])}
		err = errors.Join(os.MkdirAll(scriptDir, 0o700), os.WriteFile(p.argv[0], p.script, 0o700))
	}
	if err == nil {
		err = m.spawn(p.argv, os.Stdout.Fd(), func(s unix.WaitStatus) {
			if p.script != nil || s != 0 {
				fmt.Printf("%s: %s\n", p.name, ending(s))
			}
			m.inTurn(all[1:])
		})
	}
	if err != nil {
		fmt.Printf("%s: %v\n", p.name, err)
		m.inTurn(all[1:])
	}
}

// quiet is how long an sshd may take that does not say that it listens.
const quiet = 3 * time.Second

// sshd starts the image's OpenSSH. The machine is ready when it says that it
// listens; where it says nothing or ends there is nothing to wait for.
func (m *machine) sshd() error {
	listening := m.ready
	ready := sync.OnceFunc(func() { close(listening) })
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer w.Close()
	go watch(r, ready)
	time.AfterFunc(quiet, ready)
	return m.spawn([]string{"/usr/sbin/sshd", "-D", "-e"}, w.Fd(), func(s unix.WaitStatus) {
		fmt.Printf("sshd: %s\n", ending(s))
	})
}

// watch copies sshd's log to the console. It ends with sshd, or at once when
// that did not start.
func watch(r io.ReadCloser, ready func()) {
	defer r.Close()
	defer ready()
	for lines := bufio.NewScanner(r); lines.Scan(); {
		fmt.Println(lines.Text())
		if strings.HasPrefix(lines.Text(), "Server listening on") {
			ready()
		}
	}
}

func ending(s unix.WaitStatus) string {
	if s.Signaled() {
		return "killed by " + s.Signal().String()
	}
	return fmt.Sprintf("exit status %d", s.ExitStatus())
}

// request is what programs write to an init's /run/initctl, as in sysvinit's
// initreq.h. systemctl does so too where systemd does not run.
type request struct {
	Magic, Cmd, Runlevel, Sleep int32
	Data                        [368]byte
}

const (
	initctl      = "/run/initctl"
	requestMagic = 0x03091969
	setRunlevel  = 1
)

// initctl makes the pipe that shutdown, reboot, halt, poweroff and telinit
// write to.
func (m *machine) initctl() error {
	if err := unix.Mkfifo(initctl, 0o600); err != nil {
		return err
	}
	pipe, err := os.OpenFile(initctl, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	go func() {
		for {
			var r request
			if binary.Read(pipe, binary.NativeEndian, &r) != nil {
				return
			}
			if r.Magic != requestMagic || r.Cmd != setRunlevel {
				continue
			}
			switch r.Runlevel {
			case '0':
				m.power <- halt
			case '6':
				m.power <- restart
			}
		}
	}()
	return nil
}
