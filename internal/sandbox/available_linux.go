package sandbox

import (
	"os"

	"golang.org/x/sys/unix"

	"github.com/ingot-build/ingot/builders"
)

// Available returns why no sandbox can run here, or nil.
func Available() error {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&header, &caps[0]); err != nil {
		return os.NewSyscallError("capget", err)
	}
	if caps[0].Effective&(1<<unix.CAP_SYS_ADMIN) == 0 || os.Geteuid() != 0 {
		return builders.WithHint(ErrNotRoot, "run it with sudo, or where you are root: in a virtual machine or a privileged container")
	}
	return nil
}
