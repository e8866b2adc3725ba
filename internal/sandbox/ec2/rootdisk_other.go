//go:build !linux

package ec2

import (
	"context"
	"errors"
)

func layout(context.Context, string) (string, error) {
	return "", errors.New("disk images can be read on Linux only")
}
