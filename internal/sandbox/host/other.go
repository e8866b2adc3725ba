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
