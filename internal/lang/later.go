package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// laterPrefix begins the names of tokens for expressions.
const laterPrefix = "expr."

// Later is an expression that works on what is known only while the build runs,
// as upper(build.ID) does: a token stands for it, whose value it gives.
type Later func(op.Values) (secret.String, error)

// postpone returns the token for an expression over build.* that can't be
// evaluated yet. It reports whether there can be one: where the result is no
// list or object, and nothing else is wrong with it.
func (t *Template) postpone(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, bool) {
	unknown, ok := withBuild(ctx, func(string, cty.Value) cty.Value { return cty.UnknownVal(cty.String) })
	if !ok {
		return cty.NilVal, false
	}
	v, diags := expr.Value(unknown)
	v, marks := v.Unmark()
	if ty := v.Type(); diags.HasErrors() || ty != cty.DynamicPseudoType && !ty.IsPrimitiveType() {
		return cty.NilVal, false
	}
	if v.Type() == cty.DynamicPseudoType && makesStructure(expr, ctx) {
		return cty.NilVal, false
	}
	name := t.laterName(expr, ctx)
	t.later.LoadOrStore(name, Later(func(values op.Values) (secret.String, error) { return evalLater(expr, ctx, values) }))
	return cty.StringVal(op.Token(name)).WithMarks(marks).Mark(late(name)), true
}

// postponeParts is postpone for what is written as a list, an object or a text: only the
// parts that need it wait.
func (t *Template) postponeParts(form Form, expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, bool) {
	if text, ok := expr.(*hclsyntax.TemplateExpr); ok {
		return t.postponeText(form, text, ctx)
	}
	if object, ok := expr.(*hclsyntax.ObjectConsExpr); ok {
		return t.postponeObject(form, object, ctx)
	}
	items, ds := hcl.ExprList(expr)
	if ds.HasErrors() {
		return t.postpone(expr, ctx)
	}
	list := make([]cty.Value, len(items))
	for i, e := range items {
		v, diags := t.eval(form, e, ctx)
		if diags.HasErrors() {
			return cty.NilVal, false
		}
		list[i] = v
	}
	return cty.TupleVal(list), true
}

// postponeText is postponeParts for a text with expressions in it.
func (t *Template) postponeText(form Form, text *hclsyntax.TemplateExpr, ctx *hcl.EvalContext) (cty.Value, bool) {
	var b strings.Builder
	marks := cty.ValueMarks{}
	for _, part := range text.Parts {
		v, diags := t.eval(form, part, ctx)
		maps.Copy(marks, marksOf(v))
		v, _ = v.UnmarkDeep()
		v, err := convert.Convert(v, cty.String)
		if diags.HasErrors() || err != nil || !v.IsKnown() || v.IsNull() {
			return cty.NilVal, false
		}
		b.WriteString(v.AsString())
	}
	return cty.StringVal(b.String()).WithMarks(marks), true
}

// postponeObject is postponeParts for an object.
func (t *Template) postponeObject(form Form, object *hclsyntax.ObjectConsExpr, ctx *hcl.EvalContext) (cty.Value, bool) {
	m := map[string]cty.Value{}
	for _, item := range object.Items {
		k, ds := item.KeyExpr.Value(ctx)
		k, marks := k.Unmark()
		v, diags := t.eval(form, item.ValueExpr, ctx)
		if ds.HasErrors() || diags.HasErrors() || len(marks) > 0 || k.Type() != cty.String || k.IsNull() || !k.IsKnown() {
			return cty.NilVal, false
		}
		m[k.AsString()] = v
	}
	return cty.ObjectVal(m), true
}

// worksOnBuild reports whether the expression does more with build.* than put
// it into a text, a list or an object.
func worksOnBuild(expr hcl.Expression) bool { return worksOn(expr, namesBuild) }

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
		return slices.ContainsFunc(e.Items, func(i hclsyntax.ObjectConsItem) bool { return on(i.ValueExpr) })
	case hclsyntax.Expression:
		return named(e)
	}
	return false
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

// withBuild returns a context in which the late values of build are what change
// makes of them.
func withBuild(ctx *hcl.EvalContext, change func(name string, v cty.Value) cty.Value) (*hcl.EvalContext, bool) {
	build, ok := buildOf(ctx)
	if !ok {
		return nil, false
	}
	m, found := build.AsValueMap(), false
	for name, v := range m {
		if _, isLate := marksOf(v)[late("build."+name)]; isLate {
			m[name], found = change(name, v), true
		}
	}
	if !found {
		return nil, false // in a source, it is the images of builds
	}
	child := ctx.NewChild()
	child.Variables = map[string]cty.Value{"build": cty.ObjectVal(m)}
	return child, true
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

// laterName is the same for the same text and the same values in it, so that
// keys tell what the expression says. Both forms have the same one; builders
// that have other values of build have another.
func (t *Template) laterName(expr hcl.Expression, ctx *hcl.EvalContext) string {
	h := key.New("later/2").String(t.source(expr.Range()))
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
	return laterPrefix + string(h.Sum())[:32]
}

func evalLater(expr hcl.Expression, ctx *hcl.EvalContext, values op.Values) (secret.String, error) {
	now, _ := withBuild(ctx, func(name string, v cty.Value) cty.Value {
		known, ok := values["build."+name]
		switch {
		case !ok:
			return cty.StringVal(op.Unknown)
		case known.IsSensitive():
			return cty.StringVal(known.Reveal()).Mark(sensitive)
		}
		return cty.StringVal(known.Reveal())
	})
	v, diags := expr.Value(now)
	if diags.HasErrors() {
		return secret.String{}, diags
	}
	hidden := has(marksOf(v), sensitive)
	v, _ = v.UnmarkDeep()
	if v, err := convert.Convert(v, cty.String); err == nil && v.IsKnown() && !v.IsNull() {
		if hidden {
			return secret.Sensitive(v.AsString()), nil
		}
		return secret.Plain(v.AsString()), nil
	}
	return secret.String{}, fmt.Errorf("%s: the expression gives no text", expr.Range())
}

// Values adds to the values of tokens those of the expressions that the options
// hold.
func (d *Decoded) Values(values op.Values) (op.Values, error) {
	if d == nil || len(d.later) == 0 {
		return values, nil
	}
	out := maps.Clone(values)
	for name, of := range d.later {
		v, err := of(values)
		if err != nil {
			return nil, err
		}
		out[name] = v
	}
	return out, nil
}

// laterOf returns the expressions that v has tokens for.
func (t *Template) laterOf(v cty.Value) map[string]Later {
	var out map[string]Later
	for m := range marksOf(v) {
		name, ok := m.(late)
		if !ok || !strings.HasPrefix(string(name), laterPrefix) {
			continue
		}
		if of, ok := t.later.Load(string(name)); ok {
			if out == nil {
				out = map[string]Later{}
			}
			out[string(name)] = of.(Later)
		}
	}
	return out
}
