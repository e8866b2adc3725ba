package lang

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// DataSource is a type of data source that templates may use.
type DataSource struct {
	Type string
	// New returns a configuration with its defaults, a pointer to a struct.
	New func() any
	// Output is the type of data.TYPE.name, an object; Sensitive are those of
	// its attributes that are to be redacted.
	Output    cty.Type
	Sensitive []string
	// Check checks a configuration and touches no network. Its error is about
	// one option where it is a *component.OptionError.
	Check func(config any) error
	// Read reads the data. It may be called by several goroutines.
	Read func(config any) (cty.Value, error)
}

// dataBlock is a data source of the template.
type dataBlock struct {
	*DataSource
	block *hcl.Block
}

// data reads a data block. The output of "null" is its input, so that it is
// evaluated as locals are.
func (t *Template) data(b *hcl.Block) (*value, hcl.Diagnostics) {
	v := &value{address: "data." + b.Labels[0] + "." + b.Labels[1], at: b.DefRange}
	if b.Labels[0] == "null" {
		c, diags := component.Content(b.Body, &hcl.BodySchema{Attributes: []hcl.AttributeSchema{{Name: "input", Required: true}}}, `data "null"`)
		if a := c.Attributes["input"]; a != nil {
			v.expr, v.text = a.Expr, true
		}
		return v, diags
	}
	i := slices.IndexFunc(t.options.DataSources, func(d DataSource) bool { return d.Type == b.Labels[0] })
	if i < 0 {
		return v, hcl.Diagnostics{t.unknownData(b)}
	}
	v.data = &dataBlock{&t.options.DataSources[i], b}
	return v, nil
}

func (t *Template) unknownData(b *hcl.Block) *hcl.Diagnostic {
	names := []string{"null"}
	for _, d := range t.options.DataSources {
		names = append(names, d.Type)
	}
	detail := fmt.Sprintf("There is no data source type %q here. There are: %s.", b.Labels[0], strings.Join(slices.Sorted(slices.Values(names)), ", "))
	if p, ok := t.Plugin(b.Labels[0]); ok {
		detail = fmt.Sprintf("ingot has no data source %q (plugin %s, required at %s:%d).", b.Labels[0], cmp.Or(p.Source, p.Name), p.Range.Filename, p.Range.Start.Line)
	} else if near := component.Nearest(b.Labels[0], names); near != "" {
		detail = fmt.Sprintf("There is no data source type %q. Did you mean %q?", b.Labels[0], near)
	}
	return errorAt(b.LabelRanges[0], "Unknown data source type", detail)
}

// variables are the names that the options of a data source refer to.
func (d *dataBlock) variables() []hcl.Traversal {
	var out []hcl.Traversal
	for _, e := range expressions(d.block.Body) {
		out = append(out, e.Variables()...)
	}
	return out
}

// reading is what came of reading a data source.
type reading struct {
	v     *value
	out   cty.Value
	diags hcl.Diagnostics
}

// readData reads the data sources, each as soon as those that it depends on
// are read.
func (t *Template) readData(order []*value) hcl.Diagnostics {
	var waiting []*value
	for _, v := range order {
		if v.data != nil {
			waiting = append(waiting, v)
		}
	}
	var diags hcl.Diagnostics
	results := make(chan reading)
	under := 0
	for len(waiting) > 0 || under > 0 {
		waiting = slices.DeleteFunc(waiting, func(v *value) bool {
			if !t.readable(v) {
				return false
			}
			read, ds := t.openData(v)
			diags = append(diags, ds...)
			if read != nil {
				under++
				go func() { results <- read() }()
			}
			return true
		})
		if under == 0 {
			break // what is left waits for itself: resolve says so
		}
		r := <-results
		under--
		diags = append(diags, r.diags...)
		t.setData(r.v, r.out)
	}
	return diags
}

// readable reports whether all data sources that v depends on were read,
// directly or through locals.
func (t *Template) readable(v *value) bool {
	seen := map[*value]bool{v: true}
	var all func(v *value) bool
	all = func(v *value) bool {
		for _, tr := range v.variables() {
			dep := t.values[addressOf(tr)]
			if dep == v || dep != nil && dep.data != nil && dep.state != done {
				return false
			}
			if dep == nil || seen[dep] {
				continue
			}
			seen[dep] = true
			if !all(dep) {
				return false
			}
		}
		return true
	}
	return all(v)
}

// openData evaluates and checks the options of a data source, and returns what
// reads it. That is nil where it is not to be read.
func (t *Template) openData(v *value) (func() reading, hcl.Diagnostics) {
	v.uses = map[string]bool{}
	v.forms = [2]cty.Value{cty.DynamicVal, cty.DynamicVal}
	needs, diags := t.resolveNeeds(v, []string{v.address})
	d := v.data
	config := d.New()
	ctx := t.within(Real, needs)
	what := "data " + quote(d.Type)
	result, ds := t.decoder.Decode(component.Input{What: what, Range: v.at,
		Parts: []component.Part{{Body: d.block.Body, Context: ctx}},
		Eval: func(e hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
			return t.eval(Real, e, ctx)
		}}, config)
	diags = append(append(diags, ds...), t.lacking(v)...)
	if diags.HasErrors() {
		v.state = done
		return nil, diags
	}
	if err := d.Check(config); err != nil && !result.Excuses(err) {
		v.state = done
		return nil, append(diags, dataError(err, "Invalid "+what, result))
	}
	if t.options.Unread || result.IsUnknown() {
		t.setData(v, unread(d.Output))
		return nil, diags
	}
	return func() reading {
		out, err := d.Read(config)
		if err != nil {
			return reading{v, cty.DynamicVal, hcl.Diagnostics{dataError(err, v.address+" can't be read", result)}}
		}
		return reading{v: v, out: out}
	}, diags
}

// unread is a value of which only the type is known.
func unread(typ cty.Type) cty.Value {
	attrs := map[string]cty.Value{}
	for name, t := range typ.AttributeTypes() {
		attrs[name] = cty.UnknownVal(t)
	}
	return cty.ObjectVal(attrs)
}

// setData sets the value of a data source, the attributes that are sensitive
// marked so.
func (t *Template) setData(v *value, out cty.Value) {
	v.state = done
	if s, err := sizeOf(out); err == nil && s.isNotable() {
		t.sizes[v.address] = s
	}
	v.forms = [2]cty.Value{out, out}
	if !out.Type().IsObjectType() || len(v.data.Sensitive) == 0 {
		return
	}
	real, keyed := out.AsValueMap(), out.AsValueMap()
	for _, name := range v.data.Sensitive {
		for _, text := range leaves(real[name]) {
			t.options.Secrets.Add(text)
		}
		real[name] = real[name].Mark(sensitive)
		keyed[name] = constant(keyed[name], secret.Redacted).Mark(sensitive)
	}
	v.forms = [2]cty.Value{cty.ObjectVal(real), cty.ObjectVal(keyed)}
}

// dataError shows an error of a data source at the option it is about, else at
// its block.
func dataError(err error, summary string, places *component.Result) *hcl.Diagnostic {
	at, text := places.Range, err.Error()
	var oe *component.OptionError
	if errors.As(err, &oe) && oe.Option != "" {
		at = places.At(oe.Option)
		summary, text = fmt.Sprintf("%s: %q", summary, oe.Option), oe.Message
	}
	d := errorAt(at, summary, sentence(text))
	var hint interface{ Hint() string }
	if errors.As(err, &hint) && hint.Hint() != "" {
		d.Detail += " Hint: " + sentence(hint.Hint())
	}
	return d
}

// resolveNeeds evaluates what v depends on, notes the variables among it, and
// returns the addresses of the rest.
func (t *Template) resolveNeeds(v *value, path []string) ([]string, hcl.Diagnostics) {
	var diags hcl.Diagnostics
	var needs []string
	for _, tr := range v.variables() {
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
	slices.Sort(needs)
	return slices.Compact(needs), diags
}
