package component

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"

	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/ingot-build/ingot/internal/secret"
)

// KeyFields returns the options of v that are tagged `key:"disk"` and not
// zero, as JSON by name. Of a block that has tagged options itself, only those
// count; of one that has none, all do. Of those that are tagged `key:"file"` it
// counts how many files they name, and under which names: not where these are.
func KeyFields(v any) map[string]string {
	s := SchemaOf(v)
	rv := reflect.Indirect(reflect.ValueOf(v))
	out := map[string]string{}
	for _, f := range s.Fields {
		fv := rv.FieldByIndex(f.Go.Index)
		tagged := f.Nested != nil && f.Nested.hasKeys()
		if f.Key == "" && !tagged || fv.IsZero() {
			continue
		}
		c := canonical(fv, f.Nested, tagged)
		if f.Key == keyFile {
			c = withoutPaths(fv)
		}
		if c != nil {
			text, err := json.Marshal(c)
			if err == nil {
				out[f.Name] = string(text)
			}
		}
	}
	return out
}

// keyFile tags options that are paths of files of this host, whose content
// counts.
const keyFile = "file"

// KeyFiles returns the paths in the options of v that are tagged `key:"file"`.
func KeyFiles(v any) []string {
	rv := reflect.Indirect(reflect.ValueOf(v))
	var out []string
	for _, f := range SchemaOf(v).Fields {
		if f.Key != keyFile {
			continue
		}
		switch paths := rv.FieldByIndex(f.Go.Index).Interface().(type) {
		case string:
			if paths != "" {
				out = append(out, paths)
			}
		case []string:
			out = append(out, paths...)
		case map[string]string:
			for _, name := range slices.Sorted(maps.Keys(paths)) {
				out = append(out, paths[name])
			}
		}
	}
	return out
}

func withoutPaths(v reflect.Value) any {
	switch paths := v.Interface().(type) {
	case []string:
		return len(paths)
	case map[string]string:
		return slices.Sorted(maps.Keys(paths))
	}
	return true
}

func (s *Schema) hasKeys() bool {
	for _, f := range s.Fields {
		if f.Key != "" || f.Nested != nil && f.Nested.hasKeys() {
			return true
		}
	}
	return false
}

// canonical returns v as what encoding/json writes the same way every time.
func canonical(v reflect.Value, s *Schema, tagged bool) any {
	switch v.Type() {
	case secretType:
		return v.Interface().(secret.String).Reveal()
	case valueType:
		val, _ := v.Interface().(cty.Value).UnmarkDeep()
		text, err := ctyjson.Marshal(val, val.Type())
		if err != nil {
			return nil
		}
		return json.RawMessage(text)
	case durationType:
		return v.Interface().(interface{ String() string }).String()
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return canonical(v.Elem(), s, tagged)
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = canonical(v.Index(i), s, tagged)
		}
		return list
	case reflect.Map:
		m := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = canonical(it.Value(), s, tagged)
		}
		return m
	case reflect.Struct:
		return canonicalStruct(v, s, tagged)
	}
	return v.Interface()
}

func canonicalStruct(v reflect.Value, s *Schema, tagged bool) any {
	m := map[string]any{}
	for _, f := range s.Fields {
		fv := v.FieldByIndex(f.Go.Index)
		inner := f.Nested != nil && f.Nested.hasKeys()
		if fv.IsZero() || tagged && f.Key == "" && !inner {
			continue
		}
		if c := canonical(fv, f.Nested, inner); c != nil {
			m[f.Name] = c
		}
	}
	if len(m) == 0 && tagged {
		return nil
	}
	return m
}
