//go:build !linux

package host

import (
	"errors"
	"runtime"
)

// Open returns an error: the sandbox's machines are made of Linux namespaces.
func Open(_, _ string) (Host, error) {
	return nil, errors.New("the sandbox runs on Linux, not on " + runtime.GOOS)
}

// IsMachine says that this process was started to be the first one of a
// machine: never here.
func IsMachine() bool { return false }

// RunMachine does nothing here.
func RunMachine() int { return 1 }
