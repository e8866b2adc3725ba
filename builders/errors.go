package builders

import (
	"errors"
	"fmt"
	"strings"
)

// ErrConnectionLost is in the chain of an error that came because the machine
// went away while an op was under way.
var ErrConnectionLost = errors.New("the connection to the machine was lost")

// ErrMachineGone is in the chain of an error that came because a machine that
// was held is not there any more.
var ErrMachineGone = errors.New("the machine is not there any more")

// UnreachedError is that of a Begin whose machine is there, and can't be reached.
// It is up to the caller to hold the session or to close it.
type UnreachedError struct {
	Session Session // nothing can be applied to it
	Err     error
}

func (e *UnreachedError) Error() string { return e.Err.Error() }

// Unwrap returns why.
func (e *UnreachedError) Unwrap() error { return e.Err }

// ExitError is a command that ended with an exit code that does not count as
// success, or by a signal.
type ExitError struct {
	Command string // for people; holds no secret
	Code    int
	Signal  string // e.g. "KILL"; "" where it exited by itself
	Output  string // the last lines it printed, where they were not streamed
}

func (e *ExitError) Error() string {
	if e.Signal != "" {
		return fmt.Sprintf("%s: killed by signal %s", e.Command, e.Signal)
	}
	return fmt.Sprintf("%s: exit code %d", e.Command, e.Code)
}

// Hinter is an error that knows what the user can do about it.
type Hinter interface{ Hint() string }

// WithHint returns err with a hint, which is shown apart from the message.
func WithHint(err error, hint string) error {
	if err == nil {
		return nil
	}
	return &hinted{err, hint}
}

type hinted struct {
	error
	hint string
}

func (e *hinted) Unwrap() error { return e.error }
func (e *hinted) Hint() string  { return e.hint }

// Hint returns the first hint in err's chain, "" where there is none.
func Hint(err error) string {
	var h Hinter
	for errors.As(err, &h) {
		if text := h.Hint(); text != "" {
			return text
		}
		e, ok := h.(error)
		if !ok {
			return ""
		}
		err = errors.Unwrap(e)
	}
	return ""
}

// commandWidth is how much of a command is shown, in characters.
const commandWidth = 80

// CommandText returns a command as people see it: its first line, shortened.
func CommandText(argv []string) string {
	text, more, cut := strings.Cut(strings.TrimSpace(strings.Join(argv, " ")), "\n")
	cut = cut && strings.TrimSpace(more) != ""
	if r := []rune(text); len(r) > commandWidth {
		text, cut = string(r[:commandWidth]), true
	}
	if cut {
		text = strings.TrimSpace(text) + " …"
	}
	return text
}
