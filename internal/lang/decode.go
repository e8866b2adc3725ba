package lang

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
)

// Scope is what a component is decoded for.
type Scope struct {
	Form   Form
	Source *Source
	Values op.Values // of tokens, where they are known; nil: build.* stay tokens
	// Images are the ids of images that other builds made, by address. In the
	// options of a source the others are tokens.
	Images map[string]string
	// Check is for who only wants to know whether all is right: Decoded has no
	// Inputs then.
	Check bool
}

// Decoded tells about options that were decoded.
type Decoded struct {
	Marked bool // the keyed form may differ from the real one
	Name   NameUse
	// Inputs are what the options were made of: the variables, directly and
	// through locals, and the options themselves, each with the digest of its
	// keyed value.
	Inputs []artifact.Input
	// Parent is the address of the build whose image a source starts from, ""
	// where it starts from another one. Images are what the options for images
	// say otherwise.
	Parent string
	Images []string
	// MoreImages says that other options have images of other builds in them.
	MoreImages bool

	// Late names what the options are made of that is known only while the build
	// runs, beside tokens: they have to be decoded again then, with Scope.Values.
	// What Render renders counts too.
	Late []string

	places *component.Result
	scope  Scope
}

// NameUse says what the options of a step make of the name of the source it
// runs for.
type NameUse int

// Without the name, the options are the same for all sources of a type. In
// texts, they differ in these texts only.
const (
	NameUnused NameUse = iota
	NameInTexts
	NameWorkedOn
)

// Range returns the place of an option, else of the block.
func (d *Decoded) Range(option string) hcl.Range {
	if d == nil {
		return hcl.Range{}
	}
	return d.places.At(option)
}

// Excuses reports whether an error of a component may come of values that are
// not known, because data sources were not read.
func (d *Decoded) Excuses(err error) bool { return d != nil && d.places.Excuses(err) }

type decodeInput struct {
	what      string
	at        hcl.Range
	bodies    []sourceBody
	set       map[string]hcl.Expression
	withBuild bool // build.* may be used
	isSource  bool // the images of other builds may be used
}

// decode decodes for a scope.
func (sc Scope) decode(in decodeInput, dst any) (*Decoded, hcl.Diagnostics) {
	t := sc.Source.t
	r := &recorder{engine: sc.engine(), vars: map[string]bool{}, options: map[string]string{}, late: map[string]bool{}}
	defer r.engine.free()
	places, diags := t.decoder.Decode(r.input(in), dst)
	d := &Decoded{Marked: r.marked, Name: r.name, Parent: r.parent, Images: r.images, MoreImages: r.more, places: places, scope: sc}
	d.Late = slices.Sorted(maps.Keys(r.late))
	if r.nested && !diags.HasErrors() && !sc.Check {
		// Keyed values in dynamic blocks come of the keyed for_each.
		r.engine.scope.Form = Keyed
		r = &recorder{engine: r.engine, vars: r.vars, options: map[string]string{}, late: map[string]bool{}}
		t.decoder.Decode(r.input(in), reflect.New(reflect.TypeOf(dst).Elem()).Interface())
	}
	if !sc.Check {
		d.Inputs = r.inputs()
	}
	if len(diags) == 0 {
		return d, nil
	}
	return d, t.finish(diags)
}

// recorder evaluates the options of one decoding and notes what they were
// made of. Where the real values are decoded it digests the keyed ones all
// the same, so that both forms tell the same inputs.
type recorder struct {
	engine  *engine
	marked  bool
	name    NameUse
	inner   bool // there are dynamic blocks
	nested  bool // something marked is in a dynamic block
	vars    map[string]bool
	around  []iteration
	options map[string]string // digest by path

	keyed map[*hcl.EvalContext]*hcl.EvalContext // keyed contexts, by the real ones
	at    *hcl.EvalContext                      // where eval was called last
	marks cty.ValueMarks                        // of what it returned
	late  map[string]bool                       // names of late expressions

	isSource bool
	parent   string   // as in Decoded
	images   []string // as in Decoded
	more     bool     // as in Decoded
}

func (r *recorder) input(in decodeInput) component.Input {
	sc := r.engine.scope
	r.isSource = in.isSource
	context := func(form Form, around []iteration) *hcl.EvalContext {
		if in.isSource {
			return r.engine.t.sourceContext(form, sc.Source, sc.Images, around)
		}
		return r.engine.t.context(form, sc.Source, in.withBuild, around)
	}
	out := component.Input{What: in.what, Range: in.at, Set: in.set, Lenient: sc.Form == Keyed, Eval: r.eval, Value: r.value}
	r.keyed = map[*hcl.EvalContext]*hcl.EvalContext{}
	for _, b := range in.bodies {
		r.around = append(r.around, b.around...)
		ctx := context(sc.Form, b.around)
		if sc.Form == Real {
			r.keyed[ctx] = context(Keyed, b.around)
		}
		out.Parts = append(out.Parts, component.Part{Body: b.body, Ignore: b.ignore, Context: ctx})
	}
	return out
}

func (r *recorder) eval(expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	t := r.engine.t
	refs := expr.Variables()
	if !r.engine.scope.Check {
		t.addUses(r.vars, refs, r.around)
	}
	r.use(expr, refs, ctx)
	if r.isSource && t.family.mentions && t.hasWrongParent(r.engine.scope.Source, refs) {
		return cty.DynamicVal, nil
	}
	r.at = ctx
	ctx, ds := t.withSecrets(r.engine.scope.Form, refs, ctx)
	if values := r.engine.scope.Values; values != nil && worksOn(expr, namesBuild) && hasLate(ctx) {
		ctx = withKnown(ctx, values)
	}
	v, diags := t.eval(r.engine.scope.Form, expr, ctx)
	diags = append(ds, diags...)
	r.marks = marksOf(v)
	r.addLate(r.marks)
	r.marked = r.marked || differs(r.marks)
	return v, diags
}

func (r *recorder) addLate(marks cty.ValueMarks) {
	for _, name := range lateExprs(marks) {
		r.late[name] = true
	}
}

// use notes what an expression makes of the source's name. What becomes of it in
// dynamic blocks is not followed.
func (r *recorder) use(expr hcl.Expression, refs []hcl.Traversal, ctx *hcl.EvalContext) {
	if _, outside := r.keyed[ctx]; !outside {
		r.inner = true
	}
	if namesSource(refs) {
		r.name = max(r.name, NameInTexts)
		if worksOn(expr, func(e hcl.Expression) bool { return namesSource(e.Variables()) }) {
			r.name = NameWorkedOn
		}
	}
	if r.inner && r.name == NameInTexts {
		r.name = NameWorkedOn
	}
}

// differs reports whether a value with these marks may have another keyed form.
func differs(marks cty.ValueMarks) bool { return has(marks, sensitive) || has(marks, volatile) }

// value renders the Go templates in an option, notes its digest and puts in
// the values of tokens.
func (r *recorder) value(o component.Option, v cty.Value) (cty.Value, hcl.Diagnostics) {
	real := r.engine.scope.Form == Real
	rendered, marks, diags := r.render(o, v)
	if diags.HasErrors() && real {
		return cty.DynamicVal, diags
	}
	r.marked = r.marked || differs(marks)
	if r.isSource && len(lateExprs(marks)) > 0 {
		return cty.DynamicVal, hcl.Diagnostics{errorAt(o.Expr.Range(), fmt.Sprintf("Invalid Go template in %q", o.Path),
			"A value that is known only while the build runs can be put in here. A function or condition can work on it in provisioners and post-processors.")}
	}
	r.addLate(marks)
	if ds := r.takeImage(o, rendered); ds.HasErrors() {
		return cty.DynamicVal, ds
	}
	if r.engine.scope.Check {
		return rendered, nil
	}
	if real && (differs(r.marks) || differs(marks)) {
		r.digestKeyed(o)
	} else {
		r.note(o, rendered)
	}
	if values := r.engine.scope.Values; values != nil {
		rendered = bind(rendered, values)
	}
	return rendered, nil
}

// digestKeyed notes the digest of an option's keyed value.
func (r *recorder) digestKeyed(o component.Option) {
	ctx := r.keyed[r.at]
	if ctx == nil {
		r.nested = true
		return
	}
	ctx, _ = r.engine.t.withSecrets(Keyed, o.Expr.Variables(), ctx)
	v, _ := r.engine.t.eval(Keyed, o.Expr, ctx)
	r.engine.scope.Form = Keyed
	v, _, _ = r.render(o, v)
	r.engine.scope.Form = Real
	r.note(o, v)
}

// note notes the digest of an option's value, and of the expressions that it is
// made of later.
func (r *recorder) note(o component.Option, v cty.Value) {
	d := digest(v)
	if late := lateExprs(marksOf(v)); len(late) > 0 {
		d = string(key.New("late value/1").String(d).Strings(late).Sum())
	}
	if d != "" {
		r.options[o.Path] = d
	}
}

// namesSource reports whether references are to what is another value for each
// source of a type: its name.
func namesSource(refs []hcl.Traversal) bool {
	return slices.ContainsFunc(refs, func(tr hcl.Traversal) bool {
		return tr.RootName() == "source" && (attrOf(tr) == "name" || attrOf(tr) == "")
	})
}

// addUses adds the names of the variables that references lead to: directly,
// through locals and through the iterators around them.
func (t *Template) addUses(uses map[string]bool, refs []hcl.Traversal, around []iteration) {
	for _, tr := range refs {
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

func (r *recorder) inputs() []artifact.Input {
	var out []artifact.Input
	for _, name := range slices.Sorted(maps.Keys(r.vars)) {
		if v := r.engine.t.vars[name]; v != nil {
			out = append(out, artifact.Input{Kind: "variable", Name: "var." + name, Digest: v.digest})
		}
	}
	for _, path := range slices.Sorted(maps.Keys(r.options)) {
		out = append(out, artifact.Input{Kind: "option", Name: path, Digest: r.options[path]})
	}
	return out
}

// mapTexts returns v with each text replaced by what do returns.
func mapTexts(v cty.Value, do func(string) (cty.Value, error)) (cty.Value, error) {
	return mapLeaves(v, nil, func(v cty.Value, _ cty.ValueMarks) (cty.Value, error) {
		if v.Type() != cty.String || !v.IsKnown() || v.IsNull() {
			return v, nil
		}
		return do(v.AsString())
	})
}

// mapLeaves returns v with each value that has no elements replaced by what do
// returns of it. It is told its marks, with those around it.
func mapLeaves(v cty.Value, around cty.ValueMarks, do func(cty.Value, cty.ValueMarks) (cty.Value, error)) (cty.Value, error) {
	plain, marks := v.Unmark()
	if len(marks) > 0 {
		around = maps.Clone(around)
		if around == nil {
			around = cty.ValueMarks{}
		}
		maps.Copy(around, marks)
	}
	if !plain.IsKnown() || plain.IsNull() || !plain.CanIterateElements() || plain.LengthInt() == 0 {
		out, err := do(plain, around)
		return out.WithMarks(marks), err
	}
	ty := plain.Type()
	var list []cty.Value
	named := map[string]cty.Value{}
	for it := plain.ElementIterator(); it.Next(); {
		k, e := it.Element()
		out, err := mapLeaves(e, around, do)
		if err != nil {
			return v, err
		}
		if ty.IsMapType() || ty.IsObjectType() {
			named[k.AsString()] = out
		} else {
			list = append(list, out)
		}
	}
	switch {
	case ty.IsObjectType():
		plain = cty.ObjectVal(named)
	case ty.IsMapType():
		plain = cty.MapVal(named)
	case ty.IsTupleType():
		plain = cty.TupleVal(list)
	case ty.IsSetType():
		plain = cty.SetVal(list)
	default:
		plain = cty.ListVal(list)
	}
	return plain.WithMarks(marks), nil
}

// hasText reports whether a text in v is one that is looked for.
func hasText(v cty.Value, is func(string) bool) bool {
	if v.IsMarked() {
		v, _ = v.Unmark()
	}
	switch ty := v.Type(); {
	case !v.IsKnown() || v.IsNull() || ty == cty.Number || ty == cty.Bool:
	case ty == cty.String:
		return is(v.AsString())
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			if _, e := it.Element(); hasText(e, is) {
				return true
			}
		}
	}
	return false
}

// bind replaces the tokens in v that have a value.
func bind(v cty.Value, values op.Values) cty.Value {
	out, err := mapTexts(v, func(s string) (cty.Value, error) {
		marks := cty.ValueMarks{}
		for _, name := range op.Tokens(s) {
			if values[name].IsSensitive() {
				marks[sensitive] = struct{}{}
			}
		}
		return cty.StringVal(values.Text(s)).WithMarks(marks), nil
	})
	if err != nil {
		return v
	}
	return out
}
