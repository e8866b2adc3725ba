package lang

import (
	"maps"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
)

// Scope is what a component is decoded for.
type Scope struct {
	Form      Form
	Source    *Source
	BuildName string    // name of the build block, "" where it has none
	Values    op.Values // of tokens; nil: build.* stay tokens
}

// Decoded tells about options that were decoded.
type Decoded struct {
	Marked bool // the keyed form may differ from the real one
	// Inputs are what the options were made of: the variables, directly and
	// through locals, and the options themselves, each with the digest of its
	// keyed value.
	Inputs []artifact.Input

	places *component.Result
}

// Range returns the place of an option, else of the block.
func (d *Decoded) Range(option string) hcl.Range {
	if d == nil {
		return hcl.Range{}
	}
	return d.places.At(option)
}

type decodeInput struct {
	what      string
	at        hcl.Range
	bodies    []sourceBody
	set       map[string]hcl.Expression
	withBuild bool // build.* may be used
}

// decode decodes for a scope. Keyed values are digested also while the real
// ones are decoded, so that both forms tell the same inputs.
func (sc Scope) decode(in decodeInput, dst any) (*Decoded, hcl.Diagnostics) {
	t := sc.Source.t
	r := &recorder{scope: sc, t: t, vars: map[string]bool{}, options: map[string]string{}}
	places, diags := t.decoder.Decode(r.input(in), dst)
	d := &Decoded{Marked: r.marked, places: places}
	if sc.Form == Real && r.marked && !diags.HasErrors() {
		sc.Form = Keyed
		r = &recorder{scope: sc, t: t, vars: r.vars, options: map[string]string{}}
		t.decoder.Decode(r.input(in), reflect.New(reflect.TypeOf(dst).Elem()).Interface())
	}
	d.Inputs = r.inputs()
	return d, t.finish(diags)
}

// recorder evaluates the options of one decoding and notes what they were
// made of.
type recorder struct {
	scope   Scope
	t       *Template
	marked  bool
	vars    map[string]bool
	around  []iteration
	options map[string]string // digest by path
}

func (r *recorder) input(in decodeInput) component.Input {
	out := component.Input{What: in.what, Range: in.at, Set: in.set, Lenient: r.scope.Form == Keyed, Eval: r.eval, Value: r.value}
	for _, b := range in.bodies {
		r.around = append(r.around, b.around...)
		out.Parts = append(out.Parts, component.Part{Body: b.body, Ignore: b.ignore,
			Context: r.t.context(r.scope.Form, r.scope.Source, in.withBuild, b.around)})
	}
	return out
}

func (r *recorder) eval(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	r.t.addUses(r.vars, expr, r.around)
	v, diags := r.t.eval(r.scope.Form, expr, ctx)
	r.note(marksOf(v))
	return v, diags
}

func (r *recorder) note(marks cty.ValueMarks) {
	r.marked = r.marked || has(marks, sensitive) || has(marks, volatile)
}

// addUses adds the names of the variables that expr depends on: directly,
// through locals and through the iterators around it.
func (t *Template) addUses(uses map[string]bool, expr hcl.Expression, around []iteration) {
	for _, tr := range expr.Variables() {
		if tr.RootName() == "var" {
			uses[attrOf(tr)] = true
		} else if v := t.values[addressOf(tr)]; v != nil {
			maps.Copy(uses, v.uses)
		}
		for _, i := range around {
			if _, ok := i.forms[Real][tr.RootName()]; ok {
				maps.Copy(uses, i.uses)
			}
		}
	}
}

// value renders the Go templates in an option, notes its digest and puts in
// the values of tokens.
func (r *recorder) value(o component.Option, v cty.Value) (cty.Value, hcl.Diagnostics) {
	switch {
	case !contains(v, isGoTemplate):
	case o.Field.Template == "late":
		// What it shows of time and variables when it is rendered.
		r.marked = r.marked || contains(v, markedCall.MatchString)
	case o.Field.Template == "":
		rendered, diags := r.render(o, v)
		if diags.HasErrors() {
			if r.scope.Form == Real {
				return cty.DynamicVal, diags
			}
			rendered = v
		}
		v = rendered
		r.note(marksOf(v))
	}
	if d := digest(v); d != "" {
		r.options[o.Path] = d
	}
	if r.scope.Values != nil {
		v = bind(v, r.scope.Values)
	}
	return v, nil
}

func (r *recorder) inputs() []artifact.Input {
	var out []artifact.Input
	for _, name := range slices.Sorted(maps.Keys(r.vars)) {
		if v := r.t.vars[name]; v != nil {
			out = append(out, artifact.Input{Kind: "variable", Name: "var." + name, Digest: v.digest})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(r.options)) {
		out = append(out, artifact.Input{Kind: "option", Name: path, Digest: r.options[path]})
	}
	return out
}

// contains reports whether a text in v is such a one.
func contains(v cty.Value, is func(string) bool) bool { return slices.ContainsFunc(leaves(v), is) }

// mapTexts returns v with each text replaced, and marked with what do returns.
func mapTexts(v cty.Value, do func(string) (string, cty.ValueMarks, error)) (cty.Value, error) {
	plain, paths := v.UnmarkDeepWithPaths()
	out, err := cty.Transform(plain, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		if v.Type() != cty.String || v.IsNull() || !v.IsKnown() {
			return v, nil
		}
		s, marks, err := do(v.AsString())
		return cty.StringVal(s).WithMarks(marks), err
	})
	if err != nil {
		return v, err
	}
	return out.MarkWithPaths(paths), nil
}

// bind replaces the tokens in v that have a value.
func bind(v cty.Value, values op.Values) cty.Value {
	out, err := mapTexts(v, func(s string) (string, cty.ValueMarks, error) {
		marks := cty.ValueMarks{}
		for _, name := range op.Tokens(s) {
			if values[name].IsSensitive() {
				marks[sensitive] = struct{}{}
			}
		}
		return values.Text(s), marks, nil
	})
	if err != nil {
		return v
	}
	return out
}
