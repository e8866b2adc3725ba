package lang

import (
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// value is a named expression: a local, or the output of a data source.
type value struct {
	address   string // "local.x", "data.amazon-ami.x"
	expr      hcl.Expression
	data      *dataBlock // of a data source that is not "null", which has no expr
	sensitive bool
	text      bool // it is converted to a text
	at        hcl.Range

	state state
	forms [2]cty.Value
	uses  map[string]bool // names of the variables it depends on
}

type state int

const (
	waiting state = iota
	under         // evaluation is under way
	done
)

// checkDuplicates finds locals and data sources that have the name of another.
func checkDuplicates(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	declared := map[string]hcl.Range{}
	add := func(what, name string, at hcl.Range) {
		if first, ok := declared[what+"."+name]; ok {
			diags = append(diags, duplicate(at, what, name, first))
			return
		}
		declared[what+"."+name] = at
	}
	for _, b := range blocks {
		switch b.Type {
		case "locals":
			attrs, _ := b.Body.JustAttributes() // what else it has is told of by loadLocals
			for _, a := range inOrder(attrs) {
				add("local", a.Name, a.Range)
			}
		case "local", "data":
			add(b.Type, strings.Join(b.Labels, "."), b.DefRange)
		}
	}
	return diags
}

// loadLocals evaluates locals in the order of their dependencies.
func (t *Template) loadLocals(blocks hcl.Blocks) hcl.Diagnostics {
	diags := checkDuplicates(blocks)
	var order []*value
	add := func(v *value) {
		if t.values[v.address] == nil {
			t.values[v.address] = v
			order = append(order, v)
		}
	}
	for _, b := range blocks {
		switch b.Type {
		case "locals":
			attrs, ds := b.Body.JustAttributes()
			diags = append(diags, ds...)
			for _, a := range inOrder(attrs) {
				add(&value{address: "local." + a.Name, expr: a.Expr, at: a.Range})
			}
		case "local":
			v, ds := t.local(b)
			diags = append(diags, ds...)
			add(v)
		case "data":
			v, ds := t.data(b)
			diags = append(diags, ds...)
			if v != nil {
				add(v)
			}
		}
	}
	diags = append(diags, t.readData(order)...)
	for _, v := range order {
		diags = append(diags, t.resolve(v, nil)...)
	}
	for form := range t.root {
		maps.Copy(t.root[form].Variables, t.valueObjects(Form(form), slices.Sorted(maps.Keys(t.values))))
	}
	return diags
}

func (t *Template) local(b *hcl.Block) (*value, hcl.Diagnostics) {
	c, diags := component.Content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "expression", Required: true}, {Name: "sensitive"}}}, "local "+quote(b.Labels[0]))
	if !hclsyntax.ValidIdentifier(b.Labels[0]) && !t.legacy {
		diags = append(diags, errorAt(b.LabelRanges[0], "Invalid name of a local", "It has letters, digits, _ and -, and begins with a letter."))
	}
	v := &value{address: "local." + b.Labels[0], at: b.DefRange}
	if a := c.Attributes["expression"]; a != nil {
		v.expr = a.Expr
	}
	if a := c.Attributes["sensitive"]; a != nil {
		diags = append(diags, gohcl.DecodeExpression(a.Expr, nil, &v.sensitive)...)
	}
	return v, diags
}

// resolve evaluates v after all that it depends on.
func (t *Template) resolve(v *value, path []string) hcl.Diagnostics {
	switch v.state {
	case done:
		return nil
	case under:
		path = append(path[slices.Index(path, v.address):], v.address)
		return hcl.Diagnostics{errorAt(v.at, "Cycle in locals and data sources", strings.Join(path, " → ")+".")}
	}
	v.state = under
	defer func() { v.state = done }()
	v.forms = [2]cty.Value{cty.DynamicVal, cty.DynamicVal}
	v.uses = map[string]bool{}
	if v.expr == nil && v.data == nil {
		return nil
	}
	path = append(path, v.address)
	needs, diags := t.resolveNeeds(v, path)
	if diags.HasErrors() || v.data != nil {
		return diags // a data source that is not read by now is part of a cycle
	}
	return append(t.evalValue(v, needs), t.lacking(v)...)
}

// lacking tells of the locals and data sources that v names and that there are
// not, also where try or can would take that for an answer.
func (t *Template) lacking(v *value) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, tr := range v.variables() {
		switch name := attrOf(tr); {
		case name == "" || t.values[addressOf(tr)] != nil:
		case tr.RootName() == "local":
			diags = append(diags, t.missingName(tr, "local", name, t.localNames))
		case tr.RootName() == "data" && stepName(tr, 2) != "":
			diags = append(diags, t.missingData(tr))
		}
	}
	return diags
}

// variables are the names that v refers to.
func (v *value) variables() []hcl.Traversal {
	switch {
	case v.data != nil:
		return v.data.variables()
	case v.expr != nil:
		return v.expr.Variables()
	}
	return nil
}

func (t *Template) evalValue(v *value, needs []string) hcl.Diagnostics {
	real, diags := t.evalForm(Real, v, needs)
	if ds := t.measure(v.address, real, v.at); ds.HasErrors() {
		return append(diags, ds...)
	}
	if diags.HasErrors() {
		return diags
	}
	if v.sensitive {
		for _, s := range leaves(real) {
			t.options.Secrets.Add(s)
		}
		real = real.Mark(sensitive)
	}
	keyed := real
	if marks := marksOf(real); has(marks, sensitive) || has(marks, volatile) {
		keyed, _ = t.evalForm(Keyed, v, needs)
		if v.sensitive {
			keyed = constant(keyed, secret.Redacted)
		}
		for _, m := range []component.Mark{sensitive, volatile} {
			if has(marks, m) {
				keyed = keyed.Mark(m)
			}
		}
	}
	v.forms = [2]cty.Value{real, keyed}
	return diags
}

func (t *Template) evalForm(form Form, v *value, needs []string) (cty.Value, hcl.Diagnostics) {
	val, diags := t.eval(form, v.expr, t.within(form, needs))
	if !v.text || diags.HasErrors() {
		return val, diags
	}
	out, err := convert.Convert(val, cty.String)
	if err != nil {
		return val, append(diags, errorAt(v.expr.Range(), `Wrong value for "input"`, "A text is needed here."))
	}
	return out, diags
}

// within is the context of a local, in which only what it needs is there.
func (t *Template) within(form Form, needs []string) *hcl.EvalContext {
	ctx := t.root[form].NewChild()
	ctx.Variables = t.valueObjects(form, needs)
	return ctx
}

// valueObjects returns the objects local and data, with these in them.
func (t *Template) valueObjects(form Form, addresses []string) map[string]cty.Value {
	locals, types := map[string]cty.Value{}, map[string]map[string]cty.Value{}
	for _, a := range addresses {
		v := t.values[a].forms[form]
		part := strings.SplitN(a, ".", 3)
		if part[0] == "local" {
			locals[a[len("local."):]] = v
			continue
		}
		if types[part[1]] == nil {
			types[part[1]] = map[string]cty.Value{}
		}
		if part[1] == "null" {
			v = cty.ObjectVal(map[string]cty.Value{"output": v})
		}
		types[part[1]][part[2]] = v
	}
	out := map[string]cty.Value{"local": cty.ObjectVal(locals)}
	if len(types) > 0 {
		data := map[string]cty.Value{}
		for name, objects := range types {
			data[name] = cty.ObjectVal(objects)
		}
		out["data"] = cty.ObjectVal(data)
	}
	return out
}

// addressOf returns what a reference to a local or a data source names.
func addressOf(tr hcl.Traversal) string {
	switch tr.RootName() {
	case "local":
		if name := attrOf(tr); name != "" {
			return "local." + name
		}
		return "local"
	case "data":
		return dataAddress(tr)
	}
	return ""
}

func dataAddress(tr hcl.Traversal) string { return "data." + stepName(tr, 1) + "." + stepName(tr, 2) }

func (t *Template) localNames() []string { return t.valueNames("local.") }

// valueNames returns the names of the values whose addresses begin so.
func (t *Template) valueNames(prefix string) []string {
	var out []string
	for a := range t.values {
		if name, ok := strings.CutPrefix(a, prefix); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
