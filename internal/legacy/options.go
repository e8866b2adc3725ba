package legacy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"

	"github.com/ingot-build/ingot/internal/component"
)

// optionWriter writes the options of a component in HCL.
type optionWriter struct {
	w *writer
	c *converter
}

// option writes an option as an argument, or as blocks where it has to be.
func (o *optionWriter) option(out *strings.Builder, f field, s *component.Schema) {
	if f.value.kind == null {
		return
	}
	if !hclsyntax.ValidIdentifier(f.name) {
		writeComment(out, fmt.Sprintf("%s is no name in HCL, and not an option that is known.", quoted(f.name)))
		return
	}
	var def *component.Field
	if s != nil {
		def = s.Field(f.name)
	}
	if !asBlocks(f, def) {
		fmt.Fprintf(out, "%s = %s\n", f.name, o.expression(f.value, def))
		return
	}
	list := f.value.items
	if f.value.kind == object {
		list = []*node{f.value}
	}
	var nested *component.Schema
	if def != nil {
		nested = def.Nested
	}
	for _, n := range list {
		fmt.Fprintf(out, "%s {\n", f.name)
		for _, f := range n.fields {
			o.option(out, f, nested)
		}
		out.WriteString("}\n")
	}
}

// asBlocks reports whether an option is written as blocks. Where the option
// is not known that is a guess: what holds more than texts and numbers is.
func asBlocks(f field, def *component.Field) bool {
	isObject := func(n *node) bool { return n.kind == object }
	switch {
	case f.value.kind == list && (len(f.value.items) == 0 || slices.ContainsFunc(f.value.items, func(n *node) bool { return !isObject(n) })):
		return false
	case f.value.kind != list && f.value.kind != object:
		return false
	case def != nil:
		return def.Block
	case f.value.kind == list:
		return true
	}
	return f.name != "override" && slices.ContainsFunc(f.value.fields, func(f field) bool { return f.value.kind == object || f.value.kind == list })
}

func (o *optionWriter) expression(n *node, def *component.Field) string {
	switch n.kind {
	case text:
		return o.text(n, def)
	case list:
		var items []string
		for _, item := range n.items {
			items = append(items, o.expression(item, def))
		}
		return sequence(items)
	case object:
		if len(n.fields) == 0 {
			return "{}"
		}
		var out strings.Builder
		out.WriteString("{\n")
		for _, f := range n.fields {
			fmt.Fprintf(&out, "%s = %s\n", key(f.name), o.expression(f.value, def))
		}
		out.WriteString("}")
		return out.String()
	}
	return string(hclwrite.TokensForValue(n.value).Bytes())
}

// text converts the Go templates in a text, where they are any.
func (o *optionWriter) text(n *node, def *component.Field) string {
	p, err := parseText(n.text())
	if err != nil || def != nil && def.Template == "off" || len(p.calls()) == 0 {
		return quoted(n.text())
	}
	return o.c.expression(p)
}
