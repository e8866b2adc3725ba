package buildkitd

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// initArg makes Supervise the first process of the daemon's namespaces, which
// becomes the daemon.
const initArg = "--init"

// command returns the daemon's command. It runs in a PID and a mount namespace
// of its own, so that the kernel ends its containers and drops its mounts
// however the daemon dies.
func command(dir string, t tools) (*exec.Cmd, error) {
	args := []string{
		"--addr", "unix://" + socketName,
		"--root", filepath.Join(dir, "root"),
		"--config", filepath.Join(dir, configName),
		"--oci-worker=true", "--containerd-worker=false",
		"--cdi-disabled",
		"--allow-insecure-entitlement", "security.insecure", // asked for by each build that is privileged
	}
	// The default is one place for all daemons of the host, and root's.
	if traces := filepath.Join(dir, tracesName); len(traces) < maxSocketPath {
		args = append(args, "--otel-socket-path", traces)
	}
	if os.Geteuid() != 0 {
		all := append([]string{"--net=host", "--pidns", "--copy-up=/etc", "--copy-up=/run", t.buildkitd, "--rootless"}, args...)
		cmd := exec.Command(t.rootlesskit, all...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		// Where runc keeps what it knows of containers; /run/runc is root's.
		cmd.Env = append(environ(), "XDG_RUNTIME_DIR="+filepath.Join(dir, runtimeName))
		return cmd, os.MkdirAll(runtimeName, 0o700)
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, append([]string{Command, initArg, t.buildkitd}, args...)...)
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWPID | syscall.CLONE_NEWNS,
		Pdeathsig:  syscall.SIGKILL,
	}
	cmd.Env = environ()
	return cmd, nil
}

// environ finds runc also where Debian has it, which is not in the $PATH of
// every user.
func environ() []string {
	return append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/local/sbin:/usr/sbin:/sbin")
}

// becomeDaemon mounts the /proc of the new PID namespace and becomes the
// program that argv names.
func becomeDaemon(argv []string) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SLAVE, ""); err != nil {
		return fmt.Errorf("keep mounts apart: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mount /proc: %w", err)
	}
	// The signal belongs to a thread, and the one that becomes the program
	// need not be the one that was started with it.
	runtime.LockOSThread()
	if err := unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0); err != nil {
		return fmt.Errorf("end with the supervisor: %w", err)
	}
	return unix.Exec(argv[0], argv, os.Environ())
}

// notifySocket receives sd_notify(3) messages on an abstract address.
type notifySocket struct {
	*net.UnixConn
	name string
}

func listenNotify() (*notifySocket, error) {
	name := fmt.Sprintf("@ingot-buildkitd-%d", os.Getpid())
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return nil, err
	}
	return &notifySocket{conn, name}, nil
}

// ready returns when a message says so.
func (s *notifySocket) ready() error {
	buf := make([]byte, 4096)
	for {
		n, err := s.Read(buf)
		if err != nil {
			return err
		}
		if strings.Contains(string(buf[:n]), "READY=1") {
			return nil
		}
	}
}
