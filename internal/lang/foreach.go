package lang

import (
	"fmt"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// for_each makes one source, or one build, of each element of a map or of a
// list of texts. Only ingot has it.

// instance is one element of a for_each.
type instance struct {
	key     string
	around  []iteration // each.key and each.value; nil where there is no for_each
	unknown bool        // it stands for all that for_each may have
}

// notRead is the key of the one instance there is of a for_each that is not
// known, as data sources were not read.
const notRead = "unknown"

// keyPattern is what keys may be: they are part of names.
var keyPattern = regexp.MustCompile(`^[\pL\pN._:@+-]+$`)

// forEachOf returns the for_each of a body, nil where it has none.
func forEachOf(body hcl.Body) *hcl.Attribute {
	c, _, _ := body.PartialContent(&hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "for_each"}}})
	return c.Attributes["for_each"]
}

// instances evaluates a for_each, in both forms.
func (t *Template) instances(expr hcl.Expression) ([]instance, hcl.Diagnostics) {
	v, diags := t.eval(Real, expr, t.root[Real])
	if diags.HasErrors() {
		return nil, diags
	}
	if marks := marksOf(keysOf(v)); has(marks, sensitive) || has(marks, volatile) {
		return nil, append(diags, errorAt(expr.Range(), "Not a value for for_each",
			"Its keys become part of names, which are shown and stay the same: they can't be sensitive, or made of a time."))
	}
	elements, order, diag := t.elements(v, expr.Range())
	if diag != nil {
		return nil, append(diags, diag)
	}
	uses := map[string]bool{}
	t.addUses(uses, expr.Variables(), nil)
	keyed := map[string]cty.Value{}
	if k, _ := t.eval(Keyed, expr, t.root[Keyed]); len(marksOf(v)) > 0 {
		keyed, _, _ = t.elements(k, expr.Range())
	}
	var out []instance
	for _, key := range order {
		real := elements[key]
		k, ok := keyed[key]
		if !ok {
			k = real
			if real.ContainsMarked() {
				k = constant(real, fmt.Sprintf("<each %s>", key)).WithMarks(marksOf(real))
			}
		}
		out = append(out, instance{key, []iteration{{forms: [2]map[string]cty.Value{each(key, real), each(key, k)}, uses: uses}}, key == notRead && !real.IsKnown()})
	}
	return out, diags
}

func each(key string, v cty.Value) map[string]cty.Value {
	return map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{"key": cty.StringVal(key), "value": v})}
}

// keysOf is what the keys of a for_each come from: the collection itself, and
// the elements where there are no other keys.
func keysOf(v cty.Value) cty.Value {
	plain, marks := v.Unmark()
	if ty := plain.Type(); plain.IsKnown() && !plain.IsNull() && (ty.IsMapType() || ty.IsObjectType()) {
		return cty.True.WithMarks(marks)
	}
	return v
}

// elements returns the elements of a for_each by key, and the keys in order.
func (t *Template) elements(v cty.Value, at hcl.Range) (map[string]cty.Value, []string, *hcl.Diagnostic) {
	v, _ = v.Unmark()
	ty := v.Type()
	isMap, isList := ty.IsMapType() || ty.IsObjectType(), ty.IsListType() || ty.IsTupleType() || ty.IsSetType()
	switch {
	case v.IsKnown() && (v.IsNull() || !isMap && !isList):
		return nil, nil, errorAt(at, "for_each needs a map, or a list of texts", "")
	case !v.IsKnown() || isList && !v.IsWhollyKnown():
		return map[string]cty.Value{notRead: cty.DynamicVal}, []string{notRead}, nil
	}
	out, order := map[string]cty.Value{}, []string{}
	for it := v.ElementIterator(); it.Next(); {
		k, e := it.Element()
		if isList {
			k, _ = e.Unmark()
		}
		if k.Type() != cty.String || k.IsNull() {
			return nil, nil, errorAt(at, "for_each needs a map, or a list of texts", "")
		}
		key := k.AsString()
		if !keyPattern.MatchString(key) {
			return nil, nil, errorAt(at, "Not a key for for_each",
				fmt.Sprintf("%q becomes part of a name. It can have letters, digits and the characters . _ : @ + - only.", key))
		}
		if _, ok := out[key]; ok {
			return nil, nil, errorAt(at, "Duplicate key in for_each", fmt.Sprintf("The list has %q twice.", key))
		}
		out[key] = e
		order = append(order, key)
	}
	return out, order, nil
}

// explainEach says where each.* is known.
func explainEach(tr hcl.Traversal, name string, ctx *hcl.EvalContext) *hcl.Diagnostic {
	for c := ctx; c != nil; c = c.Parent() {
		if _, ok := c.Variables["each"]; ok {
			if name != "key" && name != "value" {
				return errorAt(tr.SourceRange(), "Unknown each."+name, "There are each.key and each.value.")
			}
			return nil
		}
	}
	return errorAt(tr.SourceRange(), "each.* is not known here", "It is known in a source or build that has for_each.")
}

// withEach says which arguments of a body are for_each's.
func withEach(body hcl.Body, ignore ...string) []string {
	if forEachOf(body) != nil {
		return append(ignore, "for_each")
	}
	return ignore
}
