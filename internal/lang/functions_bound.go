package lang

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// boundFunctions makes the functions that make much of little keep to the
// bounds: they are asked before, and what they made is measured.
func boundFunctions(funcs map[string]function.Function) {
	for name, before := range growing() {
		funcs[name] = boundFunction(funcs[name], before)
	}
}

func boundFunction(f function.Function, before func(args []cty.Value) error) function.Function {
	check := func(args []cty.Value) error {
		plain := make([]cty.Value, len(args))
		for i, a := range args {
			plain[i], _ = a.UnmarkDeep()
			if !plain[i].IsWhollyKnown() || plain[i].IsNull() {
				return nil
			}
		}
		return before(plain)
	}
	return function.New(&function.Spec{
		Params: f.Params(), VarParam: f.VarParam(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args); err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v, err := f.Call(args)
			if err == nil {
				_, err = sizeOf(v)
			}
			return v, err
		},
	})
}

// growing are the functions whose results can be much larger than their
// arguments, or that take long, with what tells that beforehand.
func growing() map[string]func(args []cty.Value) error {
	return map[string]func([]cty.Value) error{
		"format": checkFormat, "formatlist": checkFormat,
		"join": func(a []cty.Value) error {
			n := 0
			for _, list := range a[1:] {
				n += list.LengthInt()
			}
			return product(n, len(a[0].AsString()))
		},
		"indent": func(a []cty.Value) error {
			n, _ := a[0].AsBigFloat().Int64()
			return product(int(min(max(n, 0), mostText)), 1+strings.Count(a[1].AsString(), "\n"))
		},
		"replace":       checkReplace,
		"regex_replace": checkReplace,
		"regexall":      func([]cty.Value) error { return nil },
		"split":         func(a []cty.Value) error { return parts(1 + strings.Count(a[1].AsString(), a[0].AsString())) },
		"setproduct": func(a []cty.Value) error {
			n := len(a)
			for _, list := range a {
				if n *= list.LengthInt(); n > mostParts {
					return errParts
				}
			}
			return nil
		},
		"distinct":   func(a []cty.Value) error { return parts(a[0].LengthInt() * a[0].LengthInt() / 256) },
		"jsondecode": checkDecode, "csvdecode": checkDecode, "yamldecode": checkYAML,
	}
}

func product(a, b int) error {
	if b > 0 && a > mostText/b {
		return errText
	}
	return nil
}

func parts(n int) error {
	if n > mostParts {
		return errParts
	}
	return nil
}

var (
	wideVerb  = regexp.MustCompile(`%[^%a-zA-Z]*[0-9]{5}`)
	yamlAlias = regexp.MustCompile(`(^|[\s\[\]{},:-])\*[^\s\[\]{},]`)
)

func checkFormat(a []cty.Value) error {
	text := a[0].AsString()
	if wideVerb.MatchString(text) {
		return errors.New("a width or precision has four digits at most")
	}
	longest, rows := 8, 1
	for _, v := range a[1:] {
		s, err := sizeOf(v)
		if err != nil {
			return err
		}
		longest, rows = max(longest, s.text), max(rows, s.parts)
	}
	verbs := strings.Count(text, "%")
	if err := product(verbs, longest); err != nil {
		return err
	}
	return product(rows, len(text)+verbs*longest/rows)
}

// checkReplace counts what would be replaced: text, or, written /…/ or in
// regex_replace(), what an expression matches.
func checkReplace(a []cty.Value) error {
	s, find, with := a[0].AsString(), a[1].AsString(), a[2].AsString()
	n := strings.Count(s, find)
	if len(s)*(1+len(with)) > mostText { // no need to look closer at what is small
		if re, err := regexp.Compile(strings.Trim(find, "/")); err == nil {
			n = max(n, len(re.FindAllStringIndex(s, -1)))
		}
	} else {
		n = len(s) + 1
	}
	if err := product(n, len(with)); err != nil {
		return err
	}
	return product(len(s), 1+strings.Count(with, "$"))
}

// checkDecode refuses what takes long to decode.
func checkDecode(a []cty.Value) error {
	if n := len(a[0].AsString()); n > mostText/4 {
		return fmt.Errorf("it has more than %d MB", mostText>>22)
	}
	return nil
}

// checkYAML refuses aliases that may stand for aliases of aliases.
func checkYAML(a []cty.Value) error {
	const most = 32
	if len(yamlAlias.FindAllStringIndex(a[0].AsString(), most+1)) > most {
		return fmt.Errorf("it has more than %d aliases", most)
	}
	return checkDecode(a)
}
