package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
)

const (
	sensitive = component.Sensitive
	volatile  = component.Mark("volatile")
)

// late marks a value that holds the token of that name, e.g. "build.ID".
type late string

// eval evaluates an expression. A keyed value that can't be made, as where a
// function refuses the constant, is the expression's own text.
func (t *Template) eval(form Form, expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if ds := t.checkSize(expr); ds.HasErrors() {
		return cty.DynamicVal, ds
	}
	v, diags := t.value(form, expr, ctx)
	if form == Keyed {
		if diags.HasErrors() {
			return t.sourceValue(expr, ctx), nil
		}
		return v, nil
	}
	if diags.HasErrors() && t.worksOnImage(expr, ctx) {
		return cty.DynamicVal, hcl.Diagnostics{errorAt(expr.Range(), "The image of another build can be used inside text only", "Its id is known only when the image is there: what is made of it has to be a text.")}
	}
	if diags.HasErrors() {
		return cty.DynamicVal, t.explain(expr, ctx, diags)
	}
	marks := marksOf(v)
	if len(marks) == 0 {
		return v, diags
	}
	if ds := checkImages(expr, v, marks); ds.HasErrors() {
		return cty.DynamicVal, append(diags, ds...)
	}
	if has(marks, sensitive) {
		t.addDerived(expr, ctx)
	}
	return v, diags
}

// value evaluates an expression, with stand-ins where it can't be yet.
func (t *Template) value(form Form, expr hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if worksOn(expr, namesBuild) && hasLate(ctx) {
		return t.evalLate(form, expr, ctx)
	}
	return expr.Value(ctx)
}

// sourceValue is the keyed value of an expression that has none: its source
// text, in the place of as little as possible.
func (t *Template) sourceValue(expr hcl.Expression, ctx *hcl.EvalContext) cty.Value {
	if items, ds := hcl.ExprList(expr); !ds.HasErrors() {
		list := make([]cty.Value, len(items))
		for i, e := range items {
			list[i], _ = t.eval(Keyed, e, ctx)
		}
		return cty.TupleVal(list)
	}
	if pairs, ds := hcl.ExprMap(expr); !ds.HasErrors() {
		m := map[string]cty.Value{}
		for _, kv := range pairs {
			k, ds := kv.Key.Value(ctx)
			k, _ = k.Unmark()
			if ds.HasErrors() || k.Type() != cty.String || k.IsNull() || !k.IsKnown() {
				k = cty.StringVal(t.source(kv.Key.Range()))
			}
			m[k.AsString()], _ = t.eval(Keyed, kv.Value, ctx)
		}
		return cty.ObjectVal(m)
	}
	return cty.StringVal(t.source(expr.Range())).Mark(sensitive).Mark(volatile)
}

func (t *Template) source(r hcl.Range) string {
	src := t.unshown[r.Filename]
	if f := t.Files[r.Filename]; f != nil && src == nil {
		src = f.Bytes
	}
	if !r.CanSliceBytes(src) {
		return r.String()
	}
	return string(r.SliceBytes(src))
}

// marksOf returns the marks of v and of all that is in it.
func marksOf(v cty.Value) cty.ValueMarks {
	var out cty.ValueMarks
	addMarks(v, &out)
	return out
}

func addMarks(v cty.Value, out *cty.ValueMarks) {
	if v.IsMarked() {
		if *out == nil {
			*out = cty.ValueMarks{}
		}
		plain, marks := v.Unmark()
		maps.Copy(*out, marks)
		v = plain
	}
	if ty := v.Type(); ty.IsPrimitiveType() || !v.IsKnown() || v.IsNull() || !v.CanIterateElements() {
		return
	}
	for it := v.ElementIterator(); it.Next(); {
		_, e := it.Element()
		addMarks(e, out)
	}
}

func has(marks cty.ValueMarks, m any) bool {
	_, ok := marks[m]
	return ok
}

// constant returns a value of v's shape that tells nothing of v.
func constant(v cty.Value, text string) cty.Value {
	v, _ = v.UnmarkDeep()
	out, err := cty.Transform(v, func(_ cty.Path, v cty.Value) (cty.Value, error) {
		switch {
		case v.IsNull() || !v.IsKnown():
			return v, nil
		case v.Type() == cty.String:
			return cty.StringVal(text), nil
		case v.Type() == cty.Number:
			return cty.Zero, nil
		case v.Type() == cty.Bool:
			return cty.False, nil
		}
		return v, nil
	})
	if err != nil {
		return cty.StringVal(text)
	}
	return out
}

// leaves returns the texts and numbers in v.
func leaves(v cty.Value) []string {
	var out []string
	addLeaves(v, &out)
	return out
}

func addLeaves(v cty.Value, out *[]string) {
	v, _ = v.Unmark()
	switch ty := v.Type(); {
	case v.IsNull() || !v.IsKnown():
	case ty == cty.String:
		*out = append(*out, v.AsString())
	case ty == cty.Number:
		*out = append(*out, v.AsBigFloat().Text('f', -1))
	case v.CanIterateElements():
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			addLeaves(e, out)
		}
	}
}

// checkImages is an error where something consumed the token of an image
// instead of passing it on.
func checkImages(expr hcl.Expression, v cty.Value, marks cty.ValueMarks) hcl.Diagnostics {
	isImage := func(m any) bool {
		name, ok := m.(late)
		return ok && strings.HasPrefix(string(name), imagePrefix)
	}
	if !slices.ContainsFunc(slices.Collect(maps.Keys(marks)), isImage) {
		return nil
	}
	plain, paths := v.UnmarkDeepWithPaths()
	lost := map[string]bool{}
	for _, p := range paths {
		at, err := p.Path.Apply(plain)
		if err != nil {
			at = plain
		}
		for m := range p.Marks {
			if isImage(m) && !slices.ContainsFunc(leaves(at), func(s string) bool { return slices.Contains(op.Tokens(s), string(m.(late))) }) {
				lost[strings.TrimPrefix(string(m.(late)), imagePrefix)] = true
			}
		}
	}
	var diags hcl.Diagnostics
	for _, image := range slices.Sorted(maps.Keys(lost)) {
		what := "build." + image + ".id"
		diags = append(diags, errorAt(expr.Range(), what+" can be used inside text only",
			what+" is known only when the image is there: what is made of it has to be a text."))
	}
	return diags
}

// explain says more than hcl does where an expression names what is not there.
func (t *Template) explain(expr hcl.Expression, ctx *hcl.EvalContext, diags hcl.Diagnostics) hcl.Diagnostics {
	var out hcl.Diagnostics
	var explained []hcl.Range
	for _, tr := range expr.Variables() {
		name := attrOf(tr)
		var d *hcl.Diagnostic
		switch tr.RootName() {
		case "var":
			if name != "" && t.vars[name] == nil {
				d = t.missingName(tr, "variable", name, namesOf(t.vars))
			}
		case "local":
			if name != "" && t.values["local."+name] == nil {
				d = t.missingName(tr, "local", name, t.localNames)
			}
		case "data":
			if t.values[dataAddress(tr)] == nil {
				d = t.missingData(tr)
			}
		case "build":
			if d = t.misplaced(tr, ctx); d == nil {
				d = t.explainBuild(tr, name, ctx)
			}
		case "each":
			d = explainEach(tr, name, ctx)
		case "secret":
			d = t.explainSecret(tr, name, ctx)
		}
		if d != nil {
			out = append(out, d)
			explained = append(explained, tr.SourceRange())
		}
	}
	for _, d := range diags {
		if !slices.ContainsFunc(explained, func(r hcl.Range) bool { return d.Subject != nil && r.Overlaps(*d.Subject) }) {
			t.suggestFunction(d, ctx)
			t.suggestAttribute(d)
			out = append(out, d)
		}
	}
	return out
}

// suggestFunction adds what the name of a function that there is not may be a slip of.
func (t *Template) suggestFunction(d *hcl.Diagnostic, ctx *hcl.EvalContext) {
	call, ok := hcl.DiagnosticExtra[hclsyntax.FunctionCallUnknownDiagExtra](d)
	if !ok {
		return
	}
	known := map[string]function.Function{}
	for c := ctx; c != nil; c = c.Parent() {
		maps.Copy(known, c.Functions)
	}
	if near := t.nearest(call.CalledFunctionName(), namesOf(known)); near != "" {
		d.Detail += fmt.Sprintf(" Did you mean %q?", near)
	}
}

func (t *Template) missingData(tr hcl.Traversal) *hcl.Diagnostic {
	name := strings.TrimPrefix(dataAddress(tr), "data.")
	d := t.missingName(tr, "data source", name, func() []string { return t.valueNames("data.") })
	d.Summary = "Unknown data." + name
	return d
}

func (t *Template) explainBuild(tr hcl.Traversal, name string, ctx *hcl.EvalContext) *hcl.Diagnostic {
	for c := ctx; c != nil; c = c.Parent() {
		if b, ok := c.Variables["build"]; ok {
			if name != "" && b.Type().IsObjectType() && !b.Type().HasAttribute(name) {
				return t.missingName(tr, "value build.", name, attributesOf(b))
			}
			return nil
		}
	}
	return errorAt(tr.SourceRange(), "build.* is not known here", "The values of build are known in provisioners and post-processors only, and the images of other builds in sources.")
}

func (t *Template) missingName(tr hcl.Traversal, what, name string, known func() []string) *hcl.Diagnostic {
	detail := fmt.Sprintf("There is no %s called %q.", what, name)
	if what == "value build." {
		detail = fmt.Sprintf("There is no build.%s.", name)
	}
	if near := t.nearest(name, known); near != "" {
		detail += fmt.Sprintf(" Did you mean %q?", near)
	}
	return errorAt(tr.SourceRange(), "Unknown "+tr.RootName()+"."+name, detail)
}

// attrOf returns the name after the root: "x" in var.x.y and var["x"].
func attrOf(tr hcl.Traversal) string { return stepName(tr, 1) }

func stepName(tr hcl.Traversal, i int) string {
	if len(tr) <= i {
		return ""
	}
	switch s := tr[i].(type) {
	case hcl.TraverseAttr:
		return s.Name
	case hcl.TraverseIndex:
		if s.Key.Type() == cty.String && s.Key.IsKnown() && !s.Key.IsNull() {
			return s.Key.AsString()
		}
	}
	return ""
}

// digest returns the fingerprint of a keyed value.
func digest(v cty.Value) string {
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return ""
	}
	text, err := ctyjson.Marshal(v, v.Type())
	if err != nil {
		text = []byte(v.GoString())
	}
	return string(key.New("value/1").String(string(text)).Sum())
}
