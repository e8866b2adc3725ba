package lang

import (
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// Variable is an input of the template.
type Variable struct {
	Name        string
	Type        string // as a template writes it; "any" where it does not
	Description string
	Value       string // text as it is, else JSON; "" where there is none; redacted where sensitive
	Source      string // "default", "env", the file's name or "-var"; "" where it has no value
	Sensitive   bool
	Volatile    bool // its value does not count in keys
	Range       hcl.Range

	typ         cty.Type
	structured  bool // without a type, and its default is a list or a map
	defaults    *typeexpr.Defaults
	fallback    *cty.Value // the default
	validations []*hcl.Block
	forms       [2]cty.Value
	digest      string
}

// loadVariables declares the variables, gives them values and checks those.
func (t *Template) loadVariables(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range blocks {
		switch b.Type {
		case "variable":
			v, ds := t.declare(b)
			diags = append(append(diags, ds...), t.addVariable(v)...)
		case "variables":
			attrs, ds := b.Body.JustAttributes()
			diags = append(diags, ds...)
			for _, a := range inOrder(attrs) {
				v := &Variable{Name: a.Name, Range: a.Range, typ: cty.DynamicPseudoType}
				diags = append(append(diags, t.setDefault(v, a.Expr)...), t.addVariable(v)...)
			}
		}
	}
	given, ds := t.givenValues()
	lost := ds.HasErrors() // what was to be given could not be taken: more errors would follow from that
	diags = append(diags, ds...)
	for _, v := range t.Variables {
		if ds := t.assign(v, given[v.Name]); !lost || given[v.Name] != nil {
			diags = append(diags, ds...)
		}
	}
	t.makeRoots()
	if lost || t.options.SyntaxOnly {
		return diags
	}
	for _, v := range t.Variables {
		diags = append(diags, t.validate(v)...)
	}
	return diags
}

func inOrder(attrs hcl.Attributes) []*hcl.Attribute {
	var out []*hcl.Attribute
	for _, a := range attrs {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *hcl.Attribute) int { return a.NameRange.Start.Byte - b.NameRange.Start.Byte })
	return out
}

func (t *Template) addVariable(v *Variable) hcl.Diagnostics {
	if first := t.vars[v.Name]; first != nil {
		return hcl.Diagnostics{duplicate(v.Range, "variable", v.Name, first.Range)}
	}
	t.vars[v.Name] = v
	t.Variables = append(t.Variables, v)
	return nil
}

func duplicate(at hcl.Range, what, name string, first hcl.Range) *hcl.Diagnostic {
	return errorAt(at, fmt.Sprintf("Duplicate %s %q", what, name), fmt.Sprintf("It is declared at %s:%d already.", first.Filename, first.Start.Line))
}

func (t *Template) declare(b *hcl.Block) (*Variable, hcl.Diagnostics) {
	v := &Variable{Name: b.Labels[0], Range: b.DefRange, typ: cty.DynamicPseudoType}
	c, diags := component.Content(b.Body, &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "type"}, {Name: "default"}, {Name: "description"}, {Name: "sensitive"}, {Name: "volatile"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "validation"}},
	}, "variable "+quote(v.Name))
	if !hclsyntax.ValidIdentifier(v.Name) && !t.legacy {
		diags = append(diags, errorAt(b.LabelRanges[0], "Invalid name of a variable", "It has letters, digits, _ and -, and begins with a letter."))
	}
	v.validations = c.Blocks
	for name, dst := range map[string]any{"description": &v.Description, "sensitive": &v.Sensitive, "volatile": &v.Volatile} {
		if a := c.Attributes[name]; a != nil {
			diags = append(diags, gohcl.DecodeExpression(a.Expr, nil, dst)...)
		}
	}
	if a := c.Attributes["type"]; a != nil {
		typ, defaults, ds := typeexpr.TypeConstraintWithDefaults(a.Expr)
		diags = append(diags, ds...)
		if ds.HasErrors() {
			typ = cty.DynamicPseudoType
		}
		v.typ, v.defaults = typ, defaults
	}
	if a := c.Attributes["default"]; a != nil {
		diags = append(diags, t.setDefault(v, a.Expr)...)
	}
	return v, diags
}

// setDefault evaluates a default, in which env() is the only function.
func (t *Template) setDefault(v *Variable, expr hcl.Expression) hcl.Diagnostics {
	val, diags := expr.Value(t.defaultContext())
	if diags.HasErrors() {
		v.fallback = &cty.DynamicVal
		for _, d := range diags {
			if d.Summary == "Call to unknown function" || d.Summary == "Variables not allowed" {
				d.Detail = "The default of a variable is a constant; the only function in it is env(). Use locals for more."
			}
		}
		return diags
	}
	conv, ds := v.convert(val, expr.Range())
	v.fallback = &conv
	if v.typ == cty.DynamicPseudoType && !conv.IsNull() {
		if conv.Type().IsPrimitiveType() {
			v.typ = conv.Type()
		} else {
			v.structured = true
		}
	}
	return append(diags, ds...)
}

func (v *Variable) convert(val cty.Value, at hcl.Range) (cty.Value, hcl.Diagnostics) {
	if v.defaults != nil && !val.IsNull() {
		val = v.defaults.Apply(val)
	}
	conv, err := convert.Convert(val, v.typ)
	if err != nil {
		if v.Sensitive {
			at = v.Range // the line of the value would show it
		}
		return cty.DynamicVal, hcl.Diagnostics{errorAt(at, fmt.Sprintf("Wrong value for variable %q", v.Name),
			fmt.Sprintf("It needs a value of type %s: %s.", typeexpr.TypeString(v.typ), err))}
	}
	return conv, nil
}

// assign gives v its value: that of g, else its default.
func (t *Template) assign(v *Variable, g *given) hcl.Diagnostics {
	var diags hcl.Diagnostics
	val := cty.DynamicVal
	switch {
	case g != nil:
		v.Source = g.source
		val, diags = t.giveValue(v, g)
	case v.fallback != nil:
		v.Source = "default"
		val = *v.fallback
	case t.options.Valueless:
		val = cty.UnknownVal(v.typ)
	default:
		diags = hcl.Diagnostics{errorAt(v.Range, fmt.Sprintf("Variable %q has no value", v.Name),
			t.howToSet(v.Name))}
	}
	v.Type = "any"
	if v.typ != cty.DynamicPseudoType {
		v.Type = typeexpr.TypeString(v.typ)
	}
	if ds := t.measure("var."+v.Name, val, v.Range); ds.HasErrors() {
		val, diags = cty.DynamicVal, append(diags, ds...)
	}
	v.forms = [2]cty.Value{val, val}
	if val.IsWhollyKnown() {
		v.mark(val, t.options.Secrets)
		v.Value = v.text()
	}
	v.digest = digest(v.forms[Keyed])
	return diags
}

func (t *Template) howToSet(name string) string {
	if t.legacy { // the environment sets none of these
		return fmt.Sprintf("Set it with -var '%s=…', or in a file given with -var-file; or give it a default that is not null.", name)
	}
	return fmt.Sprintf("Set it with -var '%s=…', in a file given with -var-file, or with %s%s in the environment; or give it a default.", name, envPrefixes[0], name)
}

func (v *Variable) mark(val cty.Value, secrets *secret.Set) {
	if v.Volatile {
		v.forms = [2]cty.Value{v.forms[Real].Mark(volatile), constant(val, "<volatile>").Mark(volatile)}
	}
	if v.Sensitive {
		v.forms = [2]cty.Value{v.forms[Real].Mark(sensitive), constant(val, secret.Redacted).Mark(sensitive)}
		for _, s := range leaves(val) {
			secrets.Add(s)
		}
	}
}

func (v *Variable) text() string {
	val, _ := v.forms[Real].UnmarkDeep()
	switch {
	case v.Sensitive:
		return secret.Redacted
	case val.IsNull():
		return "null"
	case val.Type() == cty.String:
		return val.AsString()
	}
	out, err := ctyjson.Marshal(val, val.Type())
	if err != nil {
		return ""
	}
	return string(out)
}

// validate checks the variable's own conditions.
func (t *Template) validate(v *Variable) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range v.validations {
		c, ds := component.Content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
			{Name: "condition", Required: true}, {Name: "error_message", Required: true}}}, "validation")
		diags = append(diags, ds...)
		if ds.HasErrors() || !v.forms[Real].IsWhollyKnown() {
			continue
		}
		if ds := ownOnly(v.Name, c.Attributes); ds.HasErrors() {
			diags = append(diags, ds...)
			continue
		}
		ctx := t.root[Real].NewChild()
		ctx.Variables = map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{v.Name: v.forms[Real]})}
		cond, message := c.Attributes["condition"].Expr, c.Attributes["error_message"].Expr
		ok, ds := t.evalTo(cty.Bool, cond, ctx)
		diags = append(diags, ds...)
		text, ds := t.evalTo(cty.String, message, ctx)
		diags = append(diags, ds...)
		if text.IsKnown() && !isSentence(text.AsString()) {
			diags = append(diags, errorAt(message.Range(), "error_message is not a sentence", `It starts with a capital letter and ends with a period, a question mark or an exclamation mark: "The name has three letters at least."`))
		}
		if !ok.IsKnown() || !text.IsKnown() || ok.True() {
			continue
		}
		d := errorAt(cond.Range(), fmt.Sprintf("Invalid value for variable %q", v.Name),
			fmt.Sprintf("%s (The value comes from: %s.)", sentence(text.AsString()), v.Source))
		diags = append(diags, d)
	}
	return diags
}

func isSentence(s string) bool {
	first, _ := utf8.DecodeRuneInString(s)
	return s != "" && first == unicode.ToUpper(first) && strings.ContainsAny(s[len(s)-1:], ".?!")
}

// ownOnly refuses a condition that is about other variables.
func ownOnly(name string, attrs hcl.Attributes) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, a := range inOrder(attrs) {
		for _, tr := range a.Expr.Variables() {
			if tr.RootName() != "var" || attrOf(tr) != name {
				diags = append(diags, errorAt(tr.SourceRange(), "Not the variable's own value",
					fmt.Sprintf("The validation of a variable can look at that alone: var.%s.", name)))
			}
		}
	}
	return diags
}

// evalTo evaluates to a value of a type that is not null; unknown beside errors.
func (t *Template) evalTo(want cty.Type, expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := t.eval(Real, expr, ctx)
	if diags.HasErrors() {
		return cty.UnknownVal(want), diags
	}
	v, _ = v.UnmarkDeep()
	if !v.IsKnown() {
		return cty.UnknownVal(want), diags
	}
	conv, err := convert.Convert(v, want)
	if err != nil || conv.IsNull() {
		return cty.UnknownVal(want), append(diags, errorAt(expr.Range(), "Wrong value", fmt.Sprintf("A %s is needed here.", want.FriendlyName())))
	}
	return conv, diags
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

// environ returns the value of a variable of the environment.
func (t *Template) environ(name string) (string, bool) {
	for _, e := range slices.Backward(t.options.Environ) {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v, true
		}
	}
	return "", false
}
