package lang

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
)

// Values of build.* that are known only while the build runs are tokens, which
// can be put into texts, lists and objects. An expression that does more with
// them is late: it is planned with what Packer validates it with, and evaluated
// again, with the values, when the step is about to run. Its name, which tells
// what it depends on, counts in keys in the place of what it gives.

// latePrefix begins the names of late expressions.
const latePrefix = "expr."

// standIns are what values of build.* may be while planning: Packer's, and, for
// an expression that can't take it, as parseint(build.Port, 10), no value yet.
func standIns() []cty.Value {
	return []cty.Value{cty.StringVal(op.Unknown), cty.UnknownVal(cty.String)}
}

// evalLate evaluates a late expression with stand-ins. What they had a part in
// is marked with the expression's name, and texts have it as a token too: none
// is taken for what it will be, such as the name of a file.
func (t *Template) evalLate(form Form, expr hcl.Expression, ctx *hcl.EvalContext) (v cty.Value, diags hcl.Diagnostics) {
	for _, standIn := range standIns() {
		var files []string
		sub := withBuild(ctx, func(name string) cty.Value { return standIn.Mark(late(name)) })
		sub.Functions = fileReader{t, func(src []byte) { files = append(files, string(src)) }}.functions(t.root[form].Functions)
		if v, diags = expr.Value(sub); !diags.HasErrors() {
			name := t.lateName(expr, ctx, files)
			v, _ = mapLeaves(v, nil, func(v cty.Value, marks cty.ValueMarks) (cty.Value, error) { return withToken(v, marks, name), nil })
			return v.Mark(late(name)), nil
		}
	}
	return v, diags
}

// withToken returns a text that stand-ins had a part in with the token of the
// expression behind it.
func withToken(v cty.Value, marks cty.ValueMarks, name string) cty.Value {
	switch made := slices.ContainsFunc(slices.Collect(maps.Keys(marks)), isLateMark); {
	case !made || v.Type() != cty.String || v.IsNull():
		return v
	case v.IsKnown():
		return cty.StringVal(v.AsString() + op.Token(name))
	}
	return cty.StringVal(v.Range().StringPrefix() + op.Token(name))
}

func isLateMark(m any) bool {
	_, ok := m.(late)
	return ok
}

// lateExprs are the late expressions that values with these marks are made of.
func lateExprs(marks cty.ValueMarks) []string {
	var out []string
	for m := range marks {
		if name, ok := m.(late); ok && strings.HasPrefix(string(name), latePrefix) {
			out = append(out, string(name))
		}
	}
	slices.Sort(out)
	return out
}

// worksOn reports whether the expression does more with what is named than put
// it into a text, a list or an object.
func worksOn(expr hcl.Expression, named func(hcl.Expression) bool) bool {
	on := func(e hclsyntax.Expression) bool { return worksOn(e, named) }
	switch e := expr.(type) {
	case *hclsyntax.ScopeTraversalExpr, *hclsyntax.LiteralValueExpr:
		return false
	case *hclsyntax.TemplateWrapExpr:
		return on(e.Wrapped)
	case *hclsyntax.ParenthesesExpr:
		return on(e.Expression)
	case *hclsyntax.TemplateExpr:
		return slices.ContainsFunc(e.Parts, on)
	case *hclsyntax.TupleConsExpr:
		return slices.ContainsFunc(e.Exprs, on)
	case *hclsyntax.ObjectConsExpr:
		return slices.ContainsFunc(e.Items, func(i hclsyntax.ObjectConsItem) bool { return named(i.KeyExpr) || on(i.ValueExpr) })
	}
	return named(expr)
}

// namesBuild reports whether the expression uses build.*.
func namesBuild(expr hcl.Expression) bool {
	for _, tr := range expr.Variables() {
		if tr.RootName() == "build" {
			return true
		}
	}
	return false
}

// hasLate reports whether there are late values of build there.
func hasLate(ctx *hcl.EvalContext) bool {
	build, ok := buildOf(ctx)
	return ok && build.Type().HasAttribute("ID") && has(marksOf(build.GetAttr("ID")), late("build.ID"))
}

// withBuild returns a context in which the late values of build are those that
// of gives for their names.
func withBuild(ctx *hcl.EvalContext, of func(name string) cty.Value) *hcl.EvalContext {
	build, _ := buildOf(ctx)
	m := build.AsValueMap()
	for attr, v := range m {
		if name := "build." + attr; has(marksOf(v), late(name)) {
			m[attr] = of(name)
		}
	}
	child := ctx.NewChild()
	child.Variables = map[string]cty.Value{"build": cty.ObjectVal(m)}
	return child
}

// withKnown is withBuild for values that are known by now.
func withKnown(ctx *hcl.EvalContext, values op.Values) *hcl.EvalContext {
	return withBuild(ctx, func(name string) cty.Value {
		v, ok := values[name]
		switch {
		case !ok:
			return cty.StringVal(op.Unknown)
		case v.IsSensitive():
			return cty.StringVal(v.Reveal()).Mark(sensitive)
		}
		return cty.StringVal(v.Reveal())
	})
}

// buildOf is the object build of a context.
func buildOf(ctx *hcl.EvalContext) (cty.Value, bool) {
	for c := ctx; c != nil; c = c.Parent() {
		if build, ok := c.Variables["build"]; ok && build.Type().IsObjectType() {
			return build, true
		}
	}
	return cty.NilVal, false
}

// lateName is the same for the same text and the same values and files in it,
// so that keys tell what the expression says. Both forms have the same one;
// builders that have other values of build have another.
func (t *Template) lateName(expr hcl.Expression, ctx *hcl.EvalContext, files []string) string {
	h := key.New("later/3").String(t.source(expr.Range())).Strings(files)
	if build, ok := buildOf(ctx); ok {
		h.Strings(slices.Sorted(maps.Keys(build.Type().AttributeTypes())))
	}
	for _, tr := range expr.Variables() {
		if tr.RootName() == "build" {
			continue
		}
		if v, ds := tr.TraverseAbs(ctx); !ds.HasErrors() && !differs(marksOf(v)) {
			h.String(digest(v))
		}
	}
	return latePrefix + string(h.Sum())[:32]
}
