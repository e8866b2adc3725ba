package component

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
)

// Decoder decodes bodies into configuration structs. The zero Decoder is
// ready; it remembers the schema of each struct and may be used by several
// goroutines.
type Decoder struct{ schemas sync.Map }

// Schema is SchemaOf, remembered.
func (d *Decoder) Schema(v any) *Schema {
	t := reflect.TypeOf(v)
	if s, ok := d.schemas.Load(t); ok {
		return s.(*Schema)
	}
	s, _ := d.schemas.LoadOrStore(t, schemaOf(t))
	return s.(*Schema)
}

// Part is a body with the context it is evaluated in.
type Part struct {
	Body    hcl.Body
	Context *hcl.EvalContext
	Ignore  []string // arguments that are someone else's
}

// Input is what is decoded.
type Input struct {
	What  string    // as a person calls it: `provisioner "shell"`
	Range hcl.Range // of the block
	Parts []Part    // no option may be in two of them
	// Set are arguments that replace those of Parts, evaluated in the context
	// of the first.
	Set map[string]hcl.Expression
	// Partial leaves unknown names and dynamic blocks alone.
	Partial bool
	// Lenient takes a value that does not fit as one that is not set.
	Lenient bool

	// Eval evaluates an expression; nil means its own Value method.
	Eval func(hcl.Expression, *hcl.EvalContext) (cty.Value, hcl.Diagnostics)
	// Value sees each option's value and may replace it before it is decoded.
	Value func(Option, cty.Value) (cty.Value, hcl.Diagnostics)
}

// Option is an argument of a body that an option's value comes from.
type Option struct {
	Field *Field
	Path  string // name, or names joined by "." in a block
	Expr  hcl.Expression
}

// Result says where options were set.
type Result struct {
	Range   hcl.Range            // of the block
	Options map[string]hcl.Range // by path: "image", "bootstrap", "bootstrap.suite"
	Unknown []string             // paths of values that are not known
}

// At returns the place of an option: its value's, else that of the block it
// is missing from.
func (r *Result) At(option string) hcl.Range {
	if r == nil {
		return hcl.Range{}
	}
	if at, ok := r.Options[option]; ok {
		return at
	}
	return r.Range
}

// Decode sets the fields of dst, a pointer to a struct, to the options of in,
// and leaves alone those that are not set or null. It reports all that is
// wrong, each at its place.
func (d *Decoder) Decode(in Input, dst any) (*Result, hcl.Diagnostics) {
	x := &decoding{in: in, result: &Result{Range: in.Range, Options: map[string]hcl.Range{}}}
	if x.in.Eval == nil {
		x.in.Eval = func(e hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) { return e.Value(ctx) }
	}
	if x.in.Value == nil {
		x.in.Value = func(_ Option, v cty.Value) (cty.Value, hcl.Diagnostics) { return v, nil }
	}
	level := level{what: in.What, parts: in.Parts, set: in.Set, at: in.Range}
	x.body(d.Schema(dst), level, reflect.ValueOf(dst).Elem())
	if in.Lenient {
		x.diags = nil
	}
	return x.result, x.diags
}

type decoding struct {
	in     Input
	result *Result
	diags  hcl.Diagnostics
}

// level is one struct being filled: the component's or that of a block in it.
type level struct {
	what  string
	path  string
	parts []Part
	set   map[string]hcl.Expression
	at    hcl.Range // of the block
}

type argument struct {
	expr hcl.Expression
	ctx  *hcl.EvalContext
	name hcl.Range
}

// body fills dst from the bodies of a level.
func (x *decoding) body(s *Schema, l level, dst reflect.Value) {
	args := map[string]argument{}
	blocks := map[string][]Block{}
	ctxs := map[*hcl.Block]*hcl.EvalContext{}
	for _, p := range l.parts {
		x.part(s, l, p, args, blocks, ctxs)
	}
	for name, expr := range l.set {
		if s.Field(name) == nil {
			x.diags = append(x.diags, unknown("option", name, l.what, s.Names(), expr.Range()))
			continue
		}
		args[name] = argument{expr, l.parts[0].Context, expr.Range()}
		delete(blocks, name)
	}
	for _, f := range s.Fields {
		arg, isArg := args[f.Name]
		found := false
		if isArg {
			found = x.argument(f, l, arg, dst.FieldByIndex(f.Go.Index))
		}
		if list := blocks[f.Name]; len(list) > 0 {
			if isArg {
				x.fail(list[0].DefRange, "Duplicate argument", fmt.Sprintf("%q was set at %s already.", f.Name, place(arg.name)))
				continue
			}
			found = x.blocks(f, l, list, ctxs, dst.FieldByIndex(f.Go.Index))
		}
		if f.Required && !found {
			at := l.at
			if isArg {
				at = arg.expr.Range()
			}
			x.fail(at, fmt.Sprintf("Missing option %q", f.Name), fmt.Sprintf("%s needs the option %q.", l.what, f.Name))
		}
	}
}

// part adds the arguments and blocks of one body.
func (x *decoding) part(s *Schema, l level, p Part, args map[string]argument, blocks map[string][]Block, ctxs map[*hcl.Block]*hcl.EvalContext) {
	bs, diags := x.present(s, l.what, p)
	x.diags = append(x.diags, diags...)
	for name, at := range ignored(p) {
		x.result.Options[join(l.path, name)] = at
	}
	c, _, diags := p.Body.PartialContent(bs)
	x.diags = append(x.diags, diags...)
	for _, name := range slices.Sorted(maps.Keys(c.Attributes)) {
		a := c.Attributes[name]
		if first, ok := args[name]; ok {
			x.fail(a.NameRange, "Duplicate argument", fmt.Sprintf("%q was set at %s already.", name, place(first.name)))
			continue
		}
		args[name] = argument{a.Expr, p.Context, a.NameRange}
	}
	expanded, diags := Expand(c.Blocks, s.headers, func(e hcl.Expression, vars map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
		return x.in.Eval(e, child(p.Context, vars))
	})
	x.diags = append(x.diags, diags...)
	for _, b := range expanded {
		blocks[b.Type] = append(blocks[b.Type], b)
		ctxs[b.Block] = child(p.Context, b.Vars)
	}
}

// present returns the schema of what a body has, and errors for what it has
// and s does not.
func (x *decoding) present(s *Schema, what string, p Part) (*hcl.BodySchema, hcl.Diagnostics) {
	bs := &hcl.BodySchema{}
	dynamic := hcl.BlockHeaderSchema{Type: "dynamic", LabelNames: []string{"type"}}
	strange := true // until the names were looked at
	if b, ok := p.Body.(*hclsyntax.Body); ok {
		strange = false
		for name := range b.Attributes {
			switch {
			case slices.Contains(p.Ignore, name):
			case s.Field(name) != nil:
				bs.Attributes = append(bs.Attributes, hcl.AttributeSchema{Name: name})
			default:
				strange = true
			}
		}
		for _, block := range b.Blocks {
			switch f := s.Field(block.Type); {
			case f != nil && f.Block:
				bs.Blocks = append(bs.Blocks, f.header())
			case block.Type != dynamic.Type:
				strange = true
			case !x.in.Partial:
				bs.Blocks = append(bs.Blocks, dynamic)
			}
		}
	} else {
		isJSON := json.IsJSONBody(p.Body)
		for _, f := range s.Fields {
			if !slices.Contains(p.Ignore, f.Name) && !(f.Block && isJSON) {
				bs.Attributes = append(bs.Attributes, hcl.AttributeSchema{Name: f.Name})
			}
		}
		bs.Blocks = slices.Clone(s.headers)
		if !x.in.Partial {
			bs.Blocks = append(bs.Blocks, dynamic)
		}
	}
	if !strange || x.in.Partial {
		return bs, nil
	}
	allowed := append(attributeNames(s.attrs), p.Ignore...)
	return bs, unknownNames(p.Body, allowed, append(headerNames(s.headers), dynamic.Type), what)
}

// ignored returns the places of the arguments that are someone else's.
func ignored(p Part) map[string]hcl.Range {
	out := map[string]hcl.Range{}
	if b, ok := p.Body.(*hclsyntax.Body); ok {
		for _, name := range p.Ignore {
			if a := b.Attributes[name]; a != nil {
				out[name] = a.Expr.Range()
			}
		}
	}
	return out
}

func child(ctx *hcl.EvalContext, vars map[string]cty.Value) *hcl.EvalContext {
	if vars == nil {
		return ctx
	}
	c := ctx.NewChild()
	c.Variables = vars
	return c
}

// argument decodes one argument and reports whether it was set.
func (x *decoding) argument(f *Field, l level, arg argument, dst reflect.Value) bool {
	path := join(l.path, f.Name)
	x.result.Options[path] = arg.expr.Range()
	v, diags := x.in.Eval(arg.expr, arg.ctx)
	if !diags.HasErrors() {
		var ds hcl.Diagnostics
		v, ds = x.in.Value(Option{Field: f, Path: path, Expr: arg.expr}, v)
		diags = append(diags, ds...)
	}
	x.diags = append(x.diags, diags...)
	if diags.HasErrors() {
		return true
	}
	plain, marks := v.Unmark()
	if plain.IsKnown() && plain.IsNull() {
		return false
	}
	if f.Refuse != "" {
		x.fail(arg.name, fmt.Sprintf("%q is not supported", f.Name), sentence(f.Refuse))
		return true
	}
	if f.Inert != "" {
		x.diags = append(x.diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Summary: f.Name + " has no effect", Detail: sentence(f.Inert), Subject: arg.name.Ptr()})
	}
	if f.Nested != nil && f.Nested.Label != nil {
		x.fail(arg.name, fmt.Sprintf("%q is a block", f.Name), fmt.Sprintf("Write it as a block with a label: %s \"%s\" { … }", f.Name, strings.ToUpper(f.Nested.Label.Name)))
		return true
	}
	w := weak{x: x, at: arg.expr.Range(), nested: f.Nested}
	w.set(dst, plain.WithMarks(marks), path, false)
	return true
}

// blocks decodes the blocks of one type and reports whether one was there.
func (x *decoding) blocks(f *Field, l level, list []Block, ctxs map[*hcl.Block]*hcl.EvalContext, dst reflect.Value) bool {
	path := join(l.path, f.Name)
	x.result.Options[path] = list[0].DefRange
	if f.Refuse != "" {
		x.fail(list[0].DefRange, fmt.Sprintf("%q is not supported", f.Name), sentence(f.Refuse))
		return true
	}
	if !f.Repeated && len(list) > 1 {
		x.fail(list[1].DefRange, fmt.Sprintf("Duplicate block %q", f.Name),
			fmt.Sprintf("Only one is allowed; the first is at %s.", place(list[0].DefRange)))
		return true
	}
	if f.Repeated {
		dst.Set(reflect.MakeSlice(dst.Type(), len(list), len(list)))
	}
	for i, b := range list {
		at := dst
		sub := path
		if f.Repeated {
			at = dst.Index(i)
			if i > 0 {
				sub = fmt.Sprintf("%s[%d]", path, i)
			}
		}
		if at.Kind() == reflect.Pointer {
			at.Set(reflect.New(at.Type().Elem()))
			at = at.Elem()
		}
		what := "block " + quote(f.Name)
		if label := f.Nested.Label; label != nil && len(b.Labels) == 1 {
			what += " " + quote(b.Labels[0])
			at.FieldByIndex(label.Go.Index).SetString(b.Labels[0])
		}
		x.body(f.Nested, level{what: what, path: sub, at: b.DefRange,
			parts: []Part{{Body: b.Body, Context: ctxs[b.Block]}}}, at)
	}
	return true
}

func (x *decoding) fail(at hcl.Range, summary, detail string) {
	x.diags = append(x.diags, errorAt(at, summary, detail))
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func quote(s string) string { return fmt.Sprintf("%q", s) }

func place(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }
