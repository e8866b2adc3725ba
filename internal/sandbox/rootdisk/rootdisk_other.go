//go:build !linux

package rootdisk

import (
	"context"
	"errors"
)

// Layout needs loop devices.
func Layout(context.Context, string) (string, error) {
	return "", errors.New("disk images can be read on Linux only")
}
