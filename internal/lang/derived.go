package lang

import (
	"bytes"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// addDerived adds to the secrets what expr makes of sensitive values. Where it
// only puts them into text or lists, they are known already.
func (t *Template) addDerived(expr hcl.Expression, ctx *hcl.EvalContext) {
	switch e := expr.(type) {
	case *hclsyntax.LiteralValueExpr, *hclsyntax.ScopeTraversalExpr:
	case *hclsyntax.ParenthesesExpr:
		t.addDerived(e.Expression, ctx)
	case *hclsyntax.TemplateWrapExpr:
		t.addDerived(e.Wrapped, ctx)
	case *hclsyntax.TemplateExpr:
		for _, part := range e.Parts {
			t.addDerived(part, ctx)
		}
	case *hclsyntax.TupleConsExpr:
		for _, item := range e.Exprs {
			t.addDerived(item, ctx)
		}
	case *hclsyntax.ObjectConsExpr:
		for _, item := range e.Items {
			t.addDerived(item.ValueExpr, ctx)
		}
	default:
		if v, diags := expr.Value(ctx); !diags.HasErrors() {
			t.addMarked(v)
		}
	}
}

// addMarked adds the sensitive texts in v, save what the template itself says
// in clear, such as "yes" in `var.key != "" ? "yes" : "no"`.
func (t *Template) addMarked(v cty.Value) {
	plain, paths := v.UnmarkDeepWithPaths()
	for _, p := range paths {
		if !has(p.Marks, sensitive) {
			continue
		}
		at, err := p.Path.Apply(plain)
		if err != nil {
			at = plain
		}
		for _, text := range leaves(at) {
			if _, known := t.derived.LoadOrStore(text, true); !known && !t.says(text) {
				t.options.Secrets.Add(text)
			}
		}
	}
}

func (t *Template) says(text string) bool {
	return slices.ContainsFunc(t.texts, func(src []byte) bool { return bytes.Contains(src, []byte(text)) })
}
