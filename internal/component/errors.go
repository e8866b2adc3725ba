package component

import "fmt"

// OptionError is an error about one option of a component. Whoever knows the
// template shows the option's place.
type OptionError struct {
	Option  string // name of the option, "" for the block
	Message string
	Advice  string // what the user can do; "" where the message says it
}

func (e *OptionError) Error() string {
	if e.Option == "" {
		return e.Message
	}
	return e.Option + ": " + e.Message
}

// Hint returns the advice.
func (e *OptionError) Hint() string { return e.Advice }

// Errorf returns an OptionError.
func Errorf(option, format string, args ...any) *OptionError {
	return &OptionError{Option: option, Message: fmt.Sprintf(format, args...)}
}

// OptionErrors returns the errors of options that errors.Join made one of, else
// just err.
func OptionErrors(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return []error{err}
	}
	list := joined.Unwrap()
	for _, one := range list {
		if _, ok := one.(*OptionError); !ok {
			return []error{err}
		}
	}
	return list
}
