// Package transport is what connections to machines have in common, whether
// they speak SSH or WinRM.
package transport

import "errors"

// ErrLost is in the chain of an error that came because the connection ended.
var ErrLost = errors.New("the connection was lost")

// Error is an error of a connection or of what was done over it.
type Error struct {
	Target string // "user@host:port"
	Err    error
	Advice string // what the user can do; "" where there is nothing to add
}

func (e *Error) Error() string { return e.Target + ": " + e.Err.Error() }

// Unwrap returns the error without the target.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns the advice.
func (e *Error) Hint() string { return e.Advice }
