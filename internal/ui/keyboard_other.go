//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package ui

import "os"

// keyboard is not read on this platform.
type keyboard struct{}

func openKeyboard(*os.File, func(byte)) *keyboard { return nil }

func (*keyboard) restore() {}

func (*keyboard) close() {}

func onSuspend(*terminal) (stop func()) { return func() {} }
