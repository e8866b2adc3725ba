package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
)

// envPrefixes start the names of variables in the environment, the weakest first.
var envPrefixes = [...]string{"PKR_VAR_", "INGOT_VAR_"}

// given is a value from outside of the template.
type given struct {
	source string
	raw    string         // where attr is nil
	attr   *hcl.Attribute // from a file
}

// givenValues returns the value that wins for each variable: environment <
// auto files < -var-file < -var.
func (t *Template) givenValues() (map[string]*given, hcl.Diagnostics) {
	if t.legacy {
		return t.givenLegacy()
	}
	out := map[string]*given{}
	for _, prefix := range envPrefixes {
		for name := range t.vars {
			if raw, ok := t.environ(prefix + name); ok {
				out[name] = &given{source: "env", raw: raw}
			}
		}
	}
	var diags hcl.Diagnostics
	files := slices.Clone(t.options.VarFiles)
	if t.folder {
		auto, err := inFolder(t.Dir, ".auto.pkrvars.hcl", ".auto.pkrvars.json")
		if err == nil {
			files = append(auto, files...)
		}
	}
	for _, name := range files {
		diags = append(diags, t.readVarFile(name, out)...)
	}
	for _, arg := range t.options.Vars {
		name, raw, ok := strings.Cut(arg, "=")
		if !ok {
			diags = append(diags, noValue(arg))
			continue
		}
		if t.vars[name] == nil {
			d := undeclared(name, slices.Sorted(maps.Keys(t.vars)))
			d.Detail = "It is given with -var. " + d.Detail
			diags = append(diags, d)
			continue
		}
		out[name] = &given{source: "-var", raw: raw}
	}
	return out, diags
}

func noValue(arg string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: "-var needs a value", Detail: fmt.Sprintf("Write -var '%s=…'.", arg)}
}

func undeclared(name string, known []string) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: hcl.DiagError, Summary: fmt.Sprintf("The template has no variable %q", name)}
	if near := component.Nearest(name, known); near != "" {
		d.Detail = fmt.Sprintf("Did you mean %q?", near)
	} else {
		d.Detail = fmt.Sprintf("Declare it: variable %q {}.", name)
	}
	return d
}

func (t *Template) readVarFile(name string, out map[string]*given) hcl.Diagnostics {
	src, diags := readFile(name)
	if diags.HasErrors() {
		return diags
	}
	f, diags := t.parse(name, src)
	if diags.HasErrors() {
		return diags
	}
	attrs, ds := f.Body.JustAttributes()
	diags = append(diags, ds...)
	for _, a := range inOrder(attrs) {
		if t.vars[a.Name] == nil {
			if !t.options.WarnUndeclared {
				continue
			}
			d := undeclared(a.Name, slices.Sorted(maps.Keys(t.vars)))
			d.Severity, d.Subject = hcl.DiagWarning, a.NameRange.Ptr()
			diags = append(diags, d)
			continue
		}
		out[a.Name] = &given{source: name, attr: a}
	}
	return diags
}

// giveValue makes a value of what was given. Text, numbers and what has no
// type are taken as they are; other types are read as an expression.
func (t *Template) giveValue(v *Variable, g *given) (cty.Value, hcl.Diagnostics) {
	if g.attr != nil {
		val, diags := g.attr.Expr.Value(nil)
		if diags.HasErrors() && v.Sensitive {
			return cty.DynamicVal, hcl.Diagnostics{errorAt(v.Range, fmt.Sprintf("Wrong value for variable %q", v.Name),
				fmt.Sprintf("%s:%d: a constant is needed, text in quotes.", g.source, g.attr.NameRange.Start.Line))}
		}
		if diags.HasErrors() {
			return cty.DynamicVal, diags
		}
		conv, ds := v.convert(val, g.attr.Expr.Range())
		return conv, append(diags, ds...)
	}
	if v.typ == cty.String || v.typ == cty.Number || v.typ == cty.DynamicPseudoType && !v.structured {
		return v.convert(cty.StringVal(g.raw), v.Range)
	}
	// The text is not kept for diagnostics: it may be a secret.
	where := fmt.Sprintf("value of %s from %s", v.Name, g.source)
	bad := func(why string) (cty.Value, hcl.Diagnostics) {
		return cty.DynamicVal, hcl.Diagnostics{errorAt(v.Range, fmt.Sprintf("Wrong value for variable %q", v.Name),
			fmt.Sprintf("Its value from %s is not an expression of type %s: %s", g.source, v.typ.FriendlyName(), sentence(why)))}
	}
	if ds := guard(where, []byte(g.raw)); ds.HasErrors() {
		return bad(ds[0].Detail)
	}
	expr, ds := hclsyntax.ParseExpression([]byte(g.raw), where, hcl.InitialPos)
	if ds.HasErrors() {
		return bad(ds[0].Detail)
	}
	if ds := bound(expr); ds.HasErrors() {
		return bad(ds[0].Detail)
	}
	val, ds := expr.Value(nil)
	if ds.HasErrors() {
		return bad(ds[0].Detail)
	}
	return v.convert(val, v.Range)
}
