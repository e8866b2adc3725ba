package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/gohcl"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// value is a named expression: a local, or the output of a null data source.
type value struct {
	address   string // "local.x", "data.null.x"
	expr      hcl.Expression
	sensitive bool
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

// loadLocals evaluates locals in the order of their dependencies.
func (t *Template) loadLocals(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	var order []*value
	add := func(v *value) {
		if first := t.values[v.address]; first != nil {
			what, name, _ := strings.Cut(v.address, ".")
			diags = append(diags, duplicate(v.at, what, name, first.at))
			return
		}
		t.values[v.address] = v
		order = append(order, v)
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
			v, ds := local(b)
			diags = append(diags, ds...)
			add(v)
		case "data":
			v, ds := data(b)
			diags = append(diags, ds...)
			if v != nil {
				add(v)
			}
		}
	}
	for _, v := range order {
		diags = append(diags, t.resolve(v, nil)...)
	}
	for form := range t.root {
		maps.Copy(t.root[form].Variables, t.valueObjects(Form(form), slices.Sorted(maps.Keys(t.values))))
	}
	return diags
}

func local(b *hcl.Block) (*value, hcl.Diagnostics) {
	c, diags := component.Content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{
		{Name: "expression", Required: true}, {Name: "sensitive"}}}, "local "+quote(b.Labels[0]))
	v := &value{address: "local." + b.Labels[0], at: b.DefRange}
	if a := c.Attributes["expression"]; a != nil {
		v.expr = a.Expr
	}
	if a := c.Attributes["sensitive"]; a != nil {
		diags = append(diags, gohcl.DecodeExpression(a.Expr, nil, &v.sensitive)...)
	}
	return v, diags
}

// data reads a data block. Only "null" is there, whose output is its input.
func data(b *hcl.Block) (*value, hcl.Diagnostics) {
	v := &value{address: "data." + b.Labels[0] + "." + b.Labels[1], at: b.DefRange}
	if b.Labels[0] != "null" {
		return v, hcl.Diagnostics{errorAt(b.DefRange, fmt.Sprintf("Data source %q is not supported", b.Labels[0]),
			"Data sources come with a later release.")}
	}
	c, diags := component.Content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "input", Required: true}}}, `data "null"`)
	if a := c.Attributes["input"]; a != nil {
		v.expr = a.Expr
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
		return hcl.Diagnostics{errorAt(v.at, "Cycle in locals", strings.Join(path, " → ")+".")}
	}
	v.state = under
	defer func() { v.state = done }()
	v.forms = [2]cty.Value{cty.DynamicVal, cty.DynamicVal}
	v.uses = map[string]bool{}
	if v.expr == nil {
		return nil
	}
	var diags hcl.Diagnostics
	path = append(path, v.address)
	var needs []string
	for _, tr := range v.expr.Variables() {
		address := addressOf(tr)
		if dep := t.values[address]; dep != nil {
			diags = append(diags, t.resolve(dep, path)...)
			maps.Copy(v.uses, dep.uses)
			needs = append(needs, address)
		} else if tr.RootName() == "var" {
			v.uses[attrOf(tr)] = true
		} else if address == "local" {
			diags = append(diags, errorAt(tr.SourceRange(), "Name the local", "A local can't depend on all locals: write local.name."))
		}
	}
	if diags.HasErrors() {
		return diags
	}
	return t.evalValue(v, needs)
}

func (t *Template) evalValue(v *value, needs []string) hcl.Diagnostics {
	slices.Sort(needs)
	real, diags := t.eval(Real, v.expr, t.within(Real, needs))
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
		keyed, _ = t.eval(Keyed, v.expr, t.within(Keyed, needs))
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

// within is the context of a local, in which only what it needs is there.
func (t *Template) within(form Form, needs []string) *hcl.EvalContext {
	ctx := t.root[form].NewChild()
	ctx.Variables = t.valueObjects(form, slices.Compact(needs))
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

func (t *Template) localNames() []string {
	var out []string
	for a := range t.values {
		if name, ok := strings.CutPrefix(a, "local."); ok {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}
