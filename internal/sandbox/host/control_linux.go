package host

import (
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ingot-build/ingot/internal/sandbox/first"
)

// pair returns both ends of a connection: this process's and a file for the
// machine's first one.
func pair() (*first.Wire, *os.File, error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control")
	defer ours.Close()
	c, err := net.FileConn(ours)
	if err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return first.NewWire(c), theirs, nil
}
