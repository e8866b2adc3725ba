package lang

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
	"golang.org/x/text/encoding/ianaindex"
)

// allTrue is alltrue() for want true and anytrue() for false.
func allTrue(all bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				if !v.IsKnown() {
					return cty.UnknownVal(cty.Bool), nil
				}
				if is := !v.IsNull() && v.True(); is != all {
					return cty.BoolVal(!all), nil
				}
			}
			return cty.BoolVal(all), nil
		},
	})
}

func sumFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Number)}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if args[0].LengthInt() == 0 {
				return cty.NilVal, errors.New("the sum of no numbers is not known")
			}
			total := cty.Zero
			for it := args[0].ElementIterator(); it.Next(); {
				_, v := it.Element()
				if v.IsNull() {
					return cty.NilVal, errors.New("a number of the list is null")
				}
				total = total.Add(v)
			}
			return total, nil
		},
	})
}

func hasAffix(prefix bool) function.Function {
	test, name := strings.HasSuffix, "suffix"
	if prefix {
		test, name = strings.HasPrefix, "prefix"
	}
	return testText(name, test)
}

func strContains() function.Function { return testText("substr", strings.Contains) }

func testText(name string, test func(s, part string) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "str", Type: cty.String}, {Name: name, Type: cty.String}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

// lengthFunc is the number of elements, or of the characters of a text.
func lengthFunc() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true, AllowUnknown: true}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			switch {
			case !args[0].IsKnown():
				return cty.UnknownVal(cty.Number), nil
			case args[0].Type() == cty.String:
				return stdlib.Strlen(args[0])
			case args[0].CanIterateElements():
				return cty.NumberIntVal(int64(args[0].LengthInt())), nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "a text, a list, a set, a map or an object is needed")
		},
	})
}

// containsFunc does not answer for a value that is null.
func containsFunc() function.Function {
	params := stdlib.ContainsFunc.Params()
	params[1].AllowNull = false
	return function.New(&function.Spec{
		Params: params,
		Type:   function.StaticReturnType(cty.Bool),
		Impl:   func(args []cty.Value, _ cty.Type) (cty.Value, error) { return stdlib.ContainsFunc.Call(args) },
	})
}

// indexOf is the place of an element in a list.
func indexOf() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if ty := args[0].Type(); !ty.IsListType() && !ty.IsTupleType() {
				return cty.NilVal, function.NewArgErrorf(0, "a list is needed")
			}
			for it := args[0].ElementIterator(); it.Next(); {
				i, v := it.Element()
				eq, err := stdlib.Equal(v, args[1])
				if err != nil {
					return cty.NilVal, err
				}
				if !eq.IsKnown() {
					return cty.UnknownVal(cty.Number), nil
				}
				if eq.True() {
					return i, nil
				}
			}
			return cty.NilVal, errors.New("the list does not have this element")
		},
	})
}

func base64Gzip() function.Function {
	return text([]string{"str"}, func(a []string) (string, error) {
		var b bytes.Buffer
		w := gzip.NewWriter(&b)
		if _, err := w.Write([]byte(a[0])); err != nil {
			return "", err
		}
		if err := w.Flush(); err != nil { // as Packer does, so that the text is the same
			return "", err
		}
		if err := w.Close(); err != nil {
			return "", err
		}
		return base64.StdEncoding.EncodeToString(b.Bytes()), nil
	})
}

func textEncode() function.Function {
	return text([]string{"string", "encoding"}, func(a []string) (string, error) {
		enc, err := ianaindex.IANA.Encoding(a[1])
		if err != nil || enc == nil {
			return "", fmt.Errorf("there is no encoding %q", a[1])
		}
		out, err := enc.NewEncoder().Bytes([]byte(a[0]))
		if err != nil {
			return "", fmt.Errorf("the text has characters that %s does not have", a[1])
		}
		return base64.StdEncoding.EncodeToString(out), nil
	})
}

func textDecode() function.Function {
	return text([]string{"source", "encoding"}, func(a []string) (string, error) {
		enc, err := ianaindex.IANA.Encoding(a[1])
		if err != nil || enc == nil {
			return "", fmt.Errorf("there is no encoding %q", a[1])
		}
		raw, err := base64.StdEncoding.DecodeString(a[0])
		if err != nil {
			return "", errors.New("the source is not Base64")
		}
		out, err := enc.NewDecoder().Bytes(raw)
		if err != nil || bytes.ContainsRune(out, '�') {
			return "", fmt.Errorf("the source is not text in %s", a[1])
		}
		return string(out), nil
	})
}

// guarded refuses text that a recursive decoder can't take.
func guarded(f function.Function) function.Function {
	p := f.Params()
	check := func(v cty.Value) error {
		if v.IsKnown() && !v.IsNull() && jsonDepth([]byte(v.AsString())) >= 0 {
			return function.NewArgErrorf(0, "brackets may nest %d deep", deepest)
		}
		return nil
	}
	return function.New(&function.Spec{
		Params: p,
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args[0]); err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}
