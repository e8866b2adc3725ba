package component

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/ingot-build/ingot/internal/secret"
)

// Sensitive is the mark of values that must not be seen. A secret.String
// keeps it.
const Sensitive = Mark("sensitive")

// Mark is the type of marks that say how a value may be used.
type Mark string

// weak sets Go values from cty values as Packer does: a number where text is
// wanted, "5959" where a number is, one element where a list is.
type weak struct {
	x      *decoding
	at     hcl.Range
	nested *Schema
}

func (w weak) set(dst reflect.Value, v cty.Value, path string, sensitive bool) {
	v, marks := v.Unmark()
	_, here := marks[Sensitive]
	sensitive = sensitive || here
	if v.IsNull() {
		return
	}
	if !v.IsKnown() {
		w.x.result.unknown(dst, path)
		return
	}
	switch t := dst.Type(); {
	case t == valueType:
		if sensitive {
			v = v.Mark(Sensitive)
		}
		dst.Set(reflect.ValueOf(v))
		return
	case t == durationType:
		w.scalar(v, cty.String, path, func(s cty.Value) error { return setDuration(dst, s.AsString()) })
		return
	case t == secretType:
		w.scalar(v, cty.String, path, func(s cty.Value) error {
			text := secret.Plain(s.AsString())
			if sensitive {
				text = secret.Sensitive(s.AsString())
			}
			dst.Set(reflect.ValueOf(text))
			return nil
		})
		return
	}
	switch dst.Kind() {
	case reflect.Pointer:
		p := reflect.New(dst.Type().Elem())
		w.set(p.Elem(), v, path, sensitive)
		dst.Set(p)
	case reflect.Slice:
		w.slice(dst, v, path, sensitive)
	case reflect.Map:
		w.mapping(dst, v, path, sensitive)
	case reflect.Struct:
		w.object(dst, v, path, sensitive)
	default:
		w.basic(dst, v, path)
	}
}

func (w weak) basic(dst reflect.Value, v cty.Value, path string) {
	switch k := dst.Kind(); {
	case k == reflect.String:
		w.scalar(v, cty.String, path, func(s cty.Value) error { dst.SetString(s.AsString()); return nil })
	case k == reflect.Bool:
		w.scalar(v, cty.Bool, path, func(b cty.Value) error { dst.SetBool(b.True()); return nil })
	case dst.CanInt():
		w.scalar(v, cty.Number, path, func(n cty.Value) error {
			i, acc := n.AsBigFloat().Int64()
			if acc != 0 || dst.OverflowInt(i) {
				return fmt.Errorf("needs a whole number between %d and %d", math.MinInt64>>(64-dst.Type().Bits()), math.MaxInt64>>(64-dst.Type().Bits()))
			}
			dst.SetInt(i)
			return nil
		})
	case dst.CanUint():
		w.scalar(v, cty.Number, path, func(n cty.Value) error {
			i, acc := n.AsBigFloat().Uint64()
			if acc != 0 || dst.OverflowUint(i) {
				return errors.New("needs a whole number that is not negative and not too large")
			}
			dst.SetUint(i)
			return nil
		})
	case dst.CanFloat():
		w.scalar(v, cty.Number, path, func(n cty.Value) error {
			f, _ := n.AsBigFloat().Float64()
			dst.SetFloat(f)
			return nil
		})
	}
}

func setDuration(dst reflect.Value, text string) error {
	d, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf(`needs a duration such as "90s" or "5m", not %q`, text)
	}
	dst.SetInt(int64(d))
	return nil
}

// scalar converts v and hands it to set.
func (w weak) scalar(v cty.Value, want cty.Type, path string, set func(cty.Value) error) {
	c, err := convert.Convert(v, want)
	if err != nil {
		w.fail(path, fmt.Sprintf("needs a %s, not %s", want.FriendlyName(), describe(v)))
		return
	}
	if err := set(c); err != nil {
		w.fail(path, err.Error())
	}
}

func (w weak) slice(dst reflect.Value, v cty.Value, path string, sensitive bool) {
	ty := v.Type()
	if !ty.IsListType() && !ty.IsSetType() && !ty.IsTupleType() {
		if elem := dst.Type().Elem(); (ty.IsMapType() || ty.IsObjectType()) && (elem == secretType || elem.Kind() == reflect.String) {
			w.fail(path, "needs a list, not "+describe(v))
			return
		}
		out := reflect.MakeSlice(dst.Type(), 1, 1)
		w.set(out.Index(0), v, path, sensitive)
		dst.Set(out)
		return
	}
	out := reflect.MakeSlice(dst.Type(), v.LengthInt(), v.LengthInt())
	i := 0
	for it := v.ElementIterator(); it.Next(); i++ {
		_, e := it.Element()
		w.set(out.Index(i), e, fmt.Sprintf("%s[%d]", path, i), sensitive)
	}
	dst.Set(out)
}

func (w weak) mapping(dst reflect.Value, v cty.Value, path string, sensitive bool) {
	if ty := v.Type(); !ty.IsMapType() && !ty.IsObjectType() {
		w.fail(path, "needs a map, not "+describe(v))
		return
	}
	out := reflect.MakeMapWithSize(dst.Type(), v.LengthInt())
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if plain, _ := e.Unmark(); plain.IsNull() {
			continue
		}
		name := k.AsString()
		elem := reflect.New(dst.Type().Elem()).Elem()
		w.set(elem, e, fmt.Sprintf("%s[%q]", path, name), sensitive)
		out.SetMapIndex(reflect.ValueOf(name).Convert(dst.Type().Key()), elem)
	}
	dst.Set(out)
}

// object sets a struct from an object's attributes.
func (w weak) object(dst reflect.Value, v cty.Value, path string, sensitive bool) {
	ty := v.Type()
	if !ty.IsMapType() && !ty.IsObjectType() {
		w.fail(path, "needs an object, not "+describe(v))
		return
	}
	s := w.nested
	found := map[string]bool{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		f := s.Field(k.AsString())
		if f == nil {
			w.x.diags = append(w.x.diags, unknown("option", k.AsString(), quote(path), s.Names(), w.at))
			continue
		}
		if plain, _ := e.Unmark(); plain.IsNull() {
			continue
		}
		found[f.Name] = true
		sub := join(path, f.Name)
		if f.Refuse != "" {
			w.x.fail(w.at, fmt.Sprintf("%q is not supported", sub), sentence(f.Refuse))
			continue
		}
		w.x.result.Options[sub] = w.at
		weak{x: w.x, at: w.at, nested: f.Nested}.set(dst.FieldByIndex(f.Go.Index), e, sub, sensitive)
	}
	for _, f := range s.Fields {
		if f.Required && !found[f.Name] {
			w.x.fail(w.at, fmt.Sprintf("Missing option %q", f.Name), fmt.Sprintf("%q needs the option %q.", path, f.Name))
		}
	}
}

func (w weak) fail(path, message string) {
	w.x.fail(w.at, fmt.Sprintf("Wrong value for %q", path), fmt.Sprintf("%q %s.", path, message))
}

// describe says what a value is, and never what it holds.
func describe(v cty.Value) string {
	if v.IsNull() {
		return "null"
	}
	name := v.Type().FriendlyName()
	if strings.ContainsAny(name[:1], "aeiou") {
		return "an " + name
	}
	return "a " + name
}

// sentence makes a message fit for a diagnostic's detail.
func sentence(s string) string {
	if s == "" {
		return s
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if strings.HasSuffix(s, ".") {
		return s
	}
	return s + "."
}
