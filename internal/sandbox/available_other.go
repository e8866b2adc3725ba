//go:build !linux

package sandbox

import "errors"

// Available returns why no sandbox can run here, or nil.
func Available() error { return errors.New("the sandbox needs Linux: its machines run in namespaces") }
