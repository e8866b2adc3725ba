//go:build !linux

package bootstrap

// detach has nothing to do: mmdebstrap runs on Linux.
func detach(string) error { return nil }
