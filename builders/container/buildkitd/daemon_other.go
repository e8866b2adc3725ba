//go:build !linux

package buildkitd

import (
	"errors"
	"os/exec"

	"github.com/ingot-build/ingot/builders"
)

const initArg = "--init"

func errLinux() error {
	return builders.WithHint(errors.New("buildkitd runs on Linux only"), "set BUILDKIT_HOST to the address of a BuildKit daemon")
}

func command(string, tools) (*exec.Cmd, error) { return nil, errLinux() }

func becomeDaemon([]string) error { return errLinux() }

type notifySocket struct{ name string }

func listenNotify() (*notifySocket, error) { return nil, errLinux() }

func (*notifySocket) ready() error { return errLinux() }

// Close has nothing to do.
func (*notifySocket) Close() error { return nil }
