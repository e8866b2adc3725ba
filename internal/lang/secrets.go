package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"

	"github.com/ingot-build/ingot/internal/secret"
)

// Block secrets is like locals, with three differences: what is in it is text
// and sensitive, env() may be called, and it is evaluated where a component
// that is decoded uses it, and only in a run (Options.OpenSecrets). Elsewhere
// its values are not known. Keys have constants in their place anyway, so that
// nobody needs to read a secret to see what a build would do.

// sealed is one secret.
type sealed struct {
	name string
	expr hcl.Expression
	at   hcl.Range
	open func() (cty.Value, hcl.Diagnostics) // once
}

// declareSecrets notes the secrets there are.
func (t *Template) declareSecrets(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range blocks.OfType("secrets") {
		attrs, ds := b.Body.JustAttributes()
		diags = append(diags, ds...)
		for _, a := range inOrder(attrs) {
			if first := t.secrets[a.Name]; first != nil {
				diags = append(diags, duplicate(a.Range, "secret", a.Name, first.at))
				continue
			}
			s := &sealed{name: a.Name, expr: a.Expr, at: a.Range}
			s.open = sync.OnceValues(func() (cty.Value, hcl.Diagnostics) { return t.openSecret(s) })
			t.secrets[a.Name] = s
		}
	}
	return diags
}

// checkSecrets checks the names that secrets refer to.
func (t *Template) checkSecrets() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, name := range slices.Sorted(maps.Keys(t.secrets)) {
		s := t.secrets[name]
		ds := t.secretCycle(s, nil)
		if ds.HasErrors() {
			s.open = func() (cty.Value, hcl.Diagnostics) { return cty.UnknownVal(cty.String).Mark(sensitive), nil }
		} else {
			_, ds = t.eval(Real, s.expr, t.unopened())
		}
		diags = append(diags, ds...)
	}
	return diags
}

// unopened is a context to check secrets in: no function does anything, and
// no secret is known.
func (t *Template) unopened() *hcl.EvalContext {
	ctx := t.root[Real].NewChild()
	ctx.Functions = map[string]function.Function{"env": nothing()}
	for name := range t.root[Real].Functions {
		ctx.Functions[name] = nothing()
	}
	values := map[string]cty.Value{}
	for name := range t.secrets {
		values[name] = cty.UnknownVal(cty.String).Mark(sensitive)
	}
	ctx.Variables = map[string]cty.Value{"secret": cty.ObjectVal(values)}
	return ctx
}

// nothing is a function of which nothing is known.
func nothing() function.Function {
	return function.New(&function.Spec{
		VarParam: &function.Parameter{Name: "args", Type: cty.DynamicPseudoType, AllowNull: true, AllowUnknown: true, AllowDynamicType: true, AllowMarked: true},
		Type:     function.StaticReturnType(cty.DynamicPseudoType),
		Impl:     func([]cty.Value, cty.Type) (cty.Value, error) { return cty.DynamicVal, nil },
	})
}

// secretCycle is an error where a secret is made of itself.
func (t *Template) secretCycle(s *sealed, path []string) hcl.Diagnostics {
	path = append(path, "secret."+s.name)
	for _, tr := range s.expr.Variables() {
		if tr.RootName() != "secret" {
			continue
		}
		address := "secret." + attrOf(tr)
		if i := slices.Index(path, address); i >= 0 {
			if i > 0 || slices.Min(path) != address {
				return nil // it is told with another one
			}
			return hcl.Diagnostics{errorAt(s.at, "Cycle in secrets", strings.Join(append(path, address), " → ")+".")}
		}
		if dep := t.secrets[attrOf(tr)]; dep != nil {
			if ds := t.secretCycle(dep, path); ds.HasErrors() {
				return ds
			}
		}
	}
	return nil
}

// openSecret evaluates a secret.
func (t *Template) openSecret(s *sealed) (cty.Value, hcl.Diagnostics) {
	unknown := cty.UnknownVal(cty.String).Mark(sensitive)
	if !t.options.OpenSecrets {
		return unknown, nil
	}
	ctx := t.root[Real].NewChild()
	ctx.Functions = map[string]function.Function{"env": t.envFunc()}
	ctx, diags := t.withSecrets(Real, s.expr.Variables(), ctx)
	if diags.HasErrors() {
		return unknown, diags
	}
	v, diags := t.eval(Real, s.expr, ctx)
	v, _ = v.UnmarkDeep()
	if diags.HasErrors() || !v.IsKnown() {
		return unknown, diags
	}
	text, err := convert.Convert(v, cty.String)
	if err != nil || text.IsNull() {
		return unknown, append(diags, errorAt(s.expr.Range(), fmt.Sprintf("Secret %q is not text", s.name), "A secret is one text: pick what is needed, or use jsonencode()."))
	}
	t.options.Secrets.Add(text.AsString())
	return text.Mark(sensitive), diags
}

// withSecrets returns a context that has the secrets which are referred to,
// opened.
func (t *Template) withSecrets(form Form, refs []hcl.Traversal, ctx *hcl.EvalContext) (*hcl.EvalContext, hcl.Diagnostics) {
	if len(t.secrets) == 0 || hasVariable(ctx, "secret") { // an iterator of that name
		return ctx, nil
	}
	var diags hcl.Diagnostics
	var values map[string]cty.Value
	for _, tr := range refs {
		if tr.RootName() != "secret" {
			continue
		}
		if values == nil {
			values = map[string]cty.Value{}
		}
		s := t.secrets[attrOf(tr)]
		switch {
		case attrOf(tr) == "":
			diags = append(diags, unnamedSecret(tr))
		case s == nil: // explained where it is evaluated
		case form == Keyed:
			values[s.name] = cty.StringVal(secret.Redacted).Mark(sensitive)
		default:
			v, ds := s.open()
			diags = append(diags, ds...)
			values[s.name] = v
		}
	}
	if values == nil {
		return ctx, diags
	}
	ctx = ctx.NewChild()
	ctx.Variables = map[string]cty.Value{"secret": cty.ObjectVal(values)}
	return ctx, diags
}

func unnamedSecret(tr hcl.Traversal) *hcl.Diagnostic {
	return errorAt(tr.SourceRange(), "Name the secret", "Write secret.name.")
}

func hasVariable(ctx *hcl.EvalContext, name string) bool {
	for c := ctx; c != nil; c = c.Parent() {
		if _, ok := c.Variables[name]; ok {
			return true
		}
	}
	return false
}

func (t *Template) explainSecret(tr hcl.Traversal, name string, ctx *hcl.EvalContext) *hcl.Diagnostic {
	switch {
	case name != "" && t.secrets[name] == nil:
		return t.missingName(tr, "secret", name, namesOf(t.secrets))
	case name == "":
		return unnamedSecret(tr)
	case !hasVariable(ctx, "secret"):
		return errorAt(tr.SourceRange(), "secret.* is not known here",
			"Secrets are read when a build runs. They can be used in the options of sources, provisioners and post-processors, and in other secrets.")
	}
	return nil
}
