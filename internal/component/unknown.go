package component

import (
	"errors"
	"reflect"
	"strings"

	"github.com/ingot-build/ingot/internal/secret"
)

// placeholder is the text of an option whose value is not known, so that it
// counts as set. It is in the brackets of op.Token: a check of what such a text
// looks like lets it pass, and goes on with the other options.
const placeholder = "\u27e6unknown\u27e7"

// unknown sets dst to something that stands for a value that is not known.
func (r *Result) unknown(dst reflect.Value, path string) {
	r.Unknown = append(r.Unknown, path)
	switch t := dst.Type(); {
	case t == secretType:
		dst.Set(reflect.ValueOf(secret.Plain(placeholder)))
	case dst.Kind() == reflect.String:
		dst.SetString(placeholder)
	case dst.Kind() == reflect.Slice && (t.Elem().Kind() == reflect.String || t.Elem() == secretType):
		dst.Set(reflect.MakeSlice(t, 1, 1))
		r.unknown(dst.Index(0), path)
	case dst.Kind() == reflect.Pointer:
		dst.Set(reflect.New(t.Elem()))
		r.unknown(dst.Elem(), path)
	}
}

// IsUnknown reports whether the value of some option is not known.
func (r *Result) IsUnknown() bool { return r != nil && len(r.Unknown) > 0 }

// Excuses reports whether an error of a component may come of values that are
// not known: all may, but those about another option that is set.
func (r *Result) Excuses(err error) bool {
	if !r.IsUnknown() {
		return false
	}
	var oe *OptionError
	if !errors.As(err, &oe) || oe.Option == "" {
		return true
	}
	if _, set := r.Options[oe.Option]; !set {
		return true
	}
	for _, path := range r.Unknown {
		if within(path, oe.Option) || within(oe.Option, path) {
			return true
		}
	}
	return false
}

// within reports whether path is that of an option or of something in it.
func within(path, option string) bool {
	rest, ok := strings.CutPrefix(path, option)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}
