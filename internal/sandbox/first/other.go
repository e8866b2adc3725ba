//go:build !linux

package first

// IsMachine says that this process was started to be the first one of a
// machine: never here.
func IsMachine() bool { return false }

// Run does nothing here.
func Run() int { return 1 }
