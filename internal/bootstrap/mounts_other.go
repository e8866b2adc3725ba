//go:build !linux

package bootstrap

import "syscall"

// attributes gives mmdebstrap a process group of its own.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// detach has nothing to do: mmdebstrap runs on Linux.
func detach(string) error { return nil }
