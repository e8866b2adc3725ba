package lang

import (
	"maps"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// Evaluate evaluates an expression that is not in the template, with the
// template's variables, locals and data sources. Place names it in
// diagnostics.
func (t *Template) Evaluate(text, place string) (cty.Value, hcl.Diagnostics) {
	src := []byte(text)
	t.Files[place] = &hcl.File{Bytes: src}
	if ds := guard(place, src); ds.HasErrors() {
		return cty.DynamicVal, ds
	}
	expr, diags := hclsyntax.ParseExpression(src, place, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.DynamicVal, diags[:1]
	}
	if t.root[Real] == nil {
		t.makeRoots()
	}
	return t.eval(Real, expr, t.root[Real])
}

// Local returns the value of a local; unknown where it has none.
func (t *Template) Local(name string) cty.Value {
	if v := t.values["local."+name]; v != nil && v.forms[Real] != cty.NilVal {
		return v.forms[Real]
	}
	return cty.DynamicVal
}

// Locals returns the names of the locals, sorted.
func (t *Template) Locals() []string { return t.localNames() }

// Real returns the variable's value, marked where it is sensitive; unknown
// where it has none.
func (v *Variable) Real() cty.Value {
	if v.forms[Real] == cty.NilVal {
		return cty.DynamicVal
	}
	return v.forms[Real]
}

// Functions returns the names of the functions that expressions may call,
// sorted.
func (t *Template) Functions() []string { return slices.Sorted(maps.Keys(t.functions(Real))) }
