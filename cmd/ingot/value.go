package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// valueText prints a value as Packer's console does: a text as it is, and in
// lists and maps in quotes. What is sensitive is not shown.
func valueText(v cty.Value) string {
	if unknown(v) {
		return "<unknown>"
	}
	return nestedText(v, false, false)
}

// valueJSON is a value for JSON, with what is sensitive hidden; nil where it is
// unknown.
func valueJSON(v cty.Value, hidden bool) any {
	hidden = hidden || v.HasMark(component.Sensitive)
	v, _ = v.Unmark()
	switch typ := v.Type(); {
	case !v.IsKnown() || v.IsNull():
		return nil
	case typ.IsListType(), typ.IsTupleType(), typ.IsSetType():
		out := []any{}
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			out = append(out, valueJSON(e, hidden))
		}
		return out
	case typ.IsMapType(), typ.IsObjectType():
		out := map[string]any{}
		for it := v.ElementIterator(); it.Next(); {
			k, e := it.Element()
			out[k.AsString()] = valueJSON(e, hidden)
		}
		return out
	case hidden:
		return secret.Redacted
	case typ == cty.Number:
		return json.Number(numberText(v))
	case typ == cty.Bool:
		return v.True()
	}
	return nestedText(v, false, false)
}

// numberText has all digits of a whole number, and of another one those that
// a reader wants, as Packer has.
func numberText(v cty.Value) string {
	if i, exact := v.AsBigFloat().Int(nil); exact == big.Exact {
		return i.String()
	}
	f, _ := v.AsBigFloat().Float64()
	return strconv.FormatFloat(f, 'g', -1, 64)
}

func unknown(v cty.Value) bool {
	plain, _ := v.UnmarkDeep()
	return !plain.IsWhollyKnown()
}

func nestedText(v cty.Value, hidden, nested bool) string {
	hidden = hidden || v.HasMark(component.Sensitive)
	v, _ = v.Unmark()
	if v.RawEquals(cty.StringVal("")) {
		hidden = false // there is nothing to hide, and that it is not set should be seen
	}
	switch typ := v.Type(); {
	case v.IsNull():
		return "null"
	case typ.IsListType(), typ.IsTupleType(), typ.IsSetType():
		return listText(v, hidden)
	case typ.IsMapType(), typ.IsObjectType():
		return mapText(v, hidden)
	case hidden && nested:
		return fmt.Sprintf("%q", secret.Redacted)
	case hidden:
		return secret.Redacted
	case typ == cty.String && nested:
		return fmt.Sprintf("%q", v.AsString())
	case typ == cty.String:
		return v.AsString()
	case typ == cty.Number:
		return numberText(v)
	case typ == cty.Bool:
		return fmt.Sprint(v.True())
	}
	return "<" + v.Type().FriendlyName() + ">"
}

func listText(v cty.Value, hidden bool) string {
	var items []string
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		items = append(items, nestedText(e, hidden, true)+",")
	}
	return enclosed("[", items, "]")
}

func mapText(v cty.Value, hidden bool) string {
	var items []string
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if plain, _ := e.Unmark(); plain.IsNull() {
			continue // as if it were not there
		}
		items = append(items, fmt.Sprintf("%q = %s", k.AsString(), nestedText(e, hidden, true)))
	}
	slices.Sort(items)
	return enclosed("{", items, "}")
}

func enclosed(open string, items []string, end string) string {
	if len(items) == 0 {
		return open + end
	}
	lines := strings.ReplaceAll(strings.Join(items, "\n"), "\n", "\n  ")
	return open + "\n  " + lines + "\n" + end
}
