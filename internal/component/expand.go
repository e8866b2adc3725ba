package component

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/json"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// EvalFunc gives the value of an expression, where vars are to be had beside
// what is there anyway.
type EvalFunc func(expr hcl.Expression, vars map[string]cty.Value) (cty.Value, hcl.Diagnostics)

// Block is a block as it stands, or one that a dynamic block stands for.
type Block struct {
	*hcl.Block
	// Vars is the iterator of the dynamic block, by its name; its values keep
	// the marks of for_each. Nil for a block that stands by itself.
	Vars map[string]cty.Value
}

// Expand writes out the dynamic blocks among blocks, in place. It serves one
// level, and not whole bodies as hcl's dynblock does, so that the caller can
// evaluate what is inside once for each build and each form of a value.
// Headers are the block types that dynamic may stand for.
func Expand(blocks hcl.Blocks, headers []hcl.BlockHeaderSchema, eval EvalFunc) ([]Block, hcl.Diagnostics) {
	var out []Block
	var diags hcl.Diagnostics
	for _, b := range blocks {
		if b.Type != "dynamic" {
			out = append(out, Block{Block: b})
			continue
		}
		i := slices.IndexFunc(headers, func(h hcl.BlockHeaderSchema) bool { return h.Type == b.Labels[0] })
		if i < 0 {
			diags = append(diags, unknown("block", b.Labels[0], "", headerNames(headers), b.LabelRanges[0]))
			continue
		}
		d, ds := parseDynamic(b, headers[i])
		diags = append(diags, ds...)
		if ds.HasErrors() {
			continue
		}
		made, ds := d.expand(eval)
		diags = append(diags, ds...)
		out = append(out, made...)
	}
	return out, diags
}

type dynamic struct {
	block    *hcl.Block
	header   hcl.BlockHeaderSchema
	forEach  hcl.Expression
	iterator string
	labels   hcl.Expression
	content  hcl.Body
}

func parseDynamic(b *hcl.Block, h hcl.BlockHeaderSchema) (*dynamic, hcl.Diagnostics) {
	c, diags := Content(b.Body, &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "for_each", Required: true}, {Name: "iterator"}, {Name: "labels"}},
		Blocks:     []hcl.BlockHeaderSchema{{Type: "content"}},
	}, "dynamic")
	if diags.HasErrors() {
		return nil, diags
	}
	d := &dynamic{block: b, header: h, forEach: c.Attributes["for_each"].Expr, iterator: h.Type}
	if len(c.Blocks) != 1 {
		return nil, append(diags, errorAt(b.DefRange, "One content block is needed",
			"A dynamic block has one block \"content\", which is written out for each element of for_each."))
	}
	d.content = c.Blocks[0].Body
	if a := c.Attributes["iterator"]; a != nil {
		name := hcl.ExprAsKeyword(a.Expr)
		if name == "" {
			return nil, append(diags, errorAt(a.Expr.Range(), "iterator is not a name", "Write it without quotes, e.g. iterator = item."))
		}
		d.iterator = name
	}
	a := c.Attributes["labels"]
	switch {
	case a == nil && len(h.LabelNames) > 0:
		return nil, append(diags, errorAt(b.DefRange, "Labels are missing", fmt.Sprintf("A block %q has a label. Give it with labels = […].", h.Type)))
	case a != nil && len(h.LabelNames) == 0:
		return nil, append(diags, errorAt(a.NameRange, "No labels here", fmt.Sprintf("A block %q has no label.", h.Type)))
	case a != nil:
		d.labels = a.Expr
	}
	return d, diags
}

func (d *dynamic) expand(eval EvalFunc) ([]Block, hcl.Diagnostics) {
	each, diags := eval(d.forEach, nil)
	if diags.HasErrors() {
		return nil, diags
	}
	each, marks := each.Unmark()
	if !each.IsKnown() { // one element, of which nothing is known
		each = cty.TupleVal([]cty.Value{cty.DynamicVal})
	}
	if each.IsNull() || !each.CanIterateElements() {
		return nil, append(diags, errorAt(d.forEach.Range(), "for_each needs a list or a map",
			fmt.Sprintf("It is %s.", describe(each))))
	}
	var out []Block
	for it := each.ElementIterator(); it.Next(); {
		k, v := it.Element()
		vars := map[string]cty.Value{d.iterator: cty.ObjectVal(map[string]cty.Value{
			"key": k.WithMarks(marks), "value": v.WithMarks(marks)})}
		b := &hcl.Block{Type: d.header.Type, TypeRange: d.block.LabelRanges[0], DefRange: d.block.DefRange, Body: d.content}
		if d.labels != nil {
			labels, ds := d.labelsOf(vars, eval)
			diags = append(diags, ds...)
			if ds.HasErrors() {
				return out, diags
			}
			if labels == nil {
				continue
			}
			b.Labels = labels
			b.LabelRanges = slices.Repeat([]hcl.Range{d.labels.Range()}, len(labels))
		}
		out = append(out, Block{Block: b, Vars: vars})
	}
	return out, diags
}

func (d *dynamic) labelsOf(vars map[string]cty.Value, eval EvalFunc) ([]string, hcl.Diagnostics) {
	v, diags := eval(d.labels, vars)
	if diags.HasErrors() {
		return nil, diags
	}
	v, _ = v.UnmarkDeep()
	if !v.IsWhollyKnown() {
		return nil, diags
	}
	list, err := convert.Convert(v, cty.List(cty.String))
	if err != nil || list.IsNull() || list.LengthInt() != len(d.header.LabelNames) {
		return nil, append(diags, errorAt(d.labels.Range(), "Wrong labels",
			fmt.Sprintf("A block %q needs a list of %d texts here.", d.header.Type, len(d.header.LabelNames))))
	}
	var out []string
	for it := list.ElementIterator(); it.Next(); {
		_, l := it.Element()
		if l.IsNull() {
			return nil, append(diags, errorAt(d.labels.Range(), "Wrong labels", "A label is null."))
		}
		out = append(out, l.AsString())
	}
	return out, diags
}

// Content reads a body. Each name that the schema does not have is an error
// at its place that names the nearest one. What is what the body belongs to,
// as a person calls it.
func Content(body hcl.Body, schema *hcl.BodySchema, what string) (*hcl.BodyContent, hcl.Diagnostics) {
	attrs, blocks := attributeNames(schema.Attributes), headerNames(schema.Blocks)
	diags := unknownNames(body, attrs, blocks, what)
	c, _, ds := body.PartialContent(schema)
	return c, append(diags, ds...)
}

func unknownNames(body hcl.Body, attrs, blocks []string, what string) hcl.Diagnostics {
	var diags hcl.Diagnostics
	all := slices.Sorted(slices.Values(append(slices.Clone(attrs), blocks...)))
	if b, ok := body.(*hclsyntax.Body); ok {
		for _, name := range slices.Sorted(maps.Keys(b.Attributes)) {
			if !slices.Contains(attrs, name) {
				diags = append(diags, misplaced("option", name, what, all, blocks, b.Attributes[name].NameRange))
			}
		}
		for _, block := range b.Blocks {
			if !slices.Contains(blocks, block.Type) {
				diags = append(diags, misplaced("block", block.Type, what, all, attrs, block.TypeRange))
			}
		}
	} else if json.IsJSONBody(body) {
		found, _ := body.JustAttributes()
		for _, name := range slices.Sorted(maps.Keys(found)) {
			if !slices.Contains(all, name) {
				diags = append(diags, unknown("option", name, what, all, found[name].NameRange))
			}
		}
	}
	slices.SortStableFunc(diags, func(a, b *hcl.Diagnostic) int { return a.Subject.Start.Byte - b.Subject.Start.Byte })
	return diags
}

// misplaced is the error of a name that is not there, or is there as the
// other kind: a block for an argument, or the other way around.
func misplaced(kind, name, what string, all, other []string, at hcl.Range) *hcl.Diagnostic {
	if !slices.Contains(other, name) {
		return unknown(kind, name, what, all, at)
	}
	if kind == "block" {
		return errorAt(at, fmt.Sprintf("%q is not a block", name), fmt.Sprintf("Write it as an argument: %s = …", name))
	}
	return errorAt(at, fmt.Sprintf("%q is a block", name), fmt.Sprintf("Write it without the equals sign: %s { … }", name))
}

func unknown(kind, name, what string, known []string, at hcl.Range) *hcl.Diagnostic {
	detail := fmt.Sprintf("There is no %s %q here.", kind, name)
	if what != "" {
		detail = fmt.Sprintf("%s has no %s %q.", what, kind, name)
	}
	if near := Nearest(name, known); near != "" {
		detail += fmt.Sprintf(" Did you mean %q?", near)
	} else if known = slices.DeleteFunc(slices.Clone(known), isDynamic); len(known) > 0 && len(known) <= 14 {
		detail += " There are: " + strings.Join(known, ", ") + "."
	}
	return errorAt(at, fmt.Sprintf("Unknown %s %q", kind, name), detail)
}

// isDynamic tells the block that stands for others from those that it stands for.
func isDynamic(name string) bool { return name == "dynamic" }

func errorAt(at hcl.Range, summary, detail string) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: detail, Subject: at.Ptr()}
}

func attributeNames(list []hcl.AttributeSchema) []string {
	var out []string
	for _, a := range list {
		out = append(out, a.Name)
	}
	return out
}

func headerNames(list []hcl.BlockHeaderSchema) []string {
	var out []string
	for _, h := range list {
		out = append(out, h.Type)
	}
	return out
}
