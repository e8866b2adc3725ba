package legacy

import (
	"fmt"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// File reads a template as the blocks that it would be in HCL. A variable
// whose value is made of others is the local of that name there; environ
// gives the variables of the environment that it uses. A value of given
// with Go templates in it takes the place of the variable's own.
func File(name string, src []byte, given []Given, environ func(string) string) (*hcl.File, hcl.Diagnostics) {
	t, diags := Read(name, src, given...)
	if t == nil {
		return nil, diags
	}
	m := &maker{template: t, environ: environ}
	f := &hcl.File{Body: m.file(), Bytes: Snippets(src)}
	return f, append(append(t.Incomplete(), diags...), m.diags...)
}

// unixTime is what {{timestamp}} gives.
const unixTime = "rfc3339_parse(timestamp()).unix"

// maker makes the syntax tree of HCL.
type maker struct {
	reader
	template *Template
	environ  func(string) string
}

func (m *maker) file() *hclsyntax.Body {
	t := m.template
	root := newBody(t.at)
	if t.MinVersion != nil {
		if _, err := version.NewVersion(t.MinVersion.text()); err != nil {
			m.fail(t.MinVersion.at, "Invalid min_packer_version", `Write it like "1.6.0".`)
		} else {
			b := addBlock(root, "packer", t.MinVersion.at)
			setText(b, "required_version", ">= "+t.MinVersion.text(), t.MinVersion.at)
		}
	}
	for _, v := range t.Variables {
		m.variable(root, v)
	}
	build := addBlock(root, "build", t.at)
	if t.Description != nil {
		setText(build, "description", t.Description.text(), t.Description.at)
	}
	for i, b := range t.Builders {
		label := fmt.Sprintf("builder_%d", i+1)
		m.options(addBlock(root, "source", b.Range, b.Type, label), b)
		use := addBlock(build, "source", b.Range, b.Type+"."+label)
		name := b.name
		if name == nil {
			name = textNode(b.Type, b.Range)
		}
		setAttribute(use, "name", name.at, m.evaluated(name))
	}
	for _, b := range t.Provisioners {
		m.component(build, "provisioner", b)
	}
	if t.Cleanup != nil {
		m.component(build, "error-cleanup-provisioner", t.Cleanup)
	}
	for _, chain := range t.PostProcessors {
		in := addBlock(build, "post-processors", chain[0].Range)
		for _, b := range chain {
			m.component(in, "post-processor", b)
		}
	}
	return root
}

func (m *maker) variable(root *hclsyntax.Body, v *Variable) {
	if v.isComputed() {
		b := addBlock(root, "local", v.at, v.Name)
		setAttribute(b, "expression", v.value.at, m.converted(v.value, v.parsed))
		if v.Sensitive {
			setAttribute(b, "sensitive", v.at, literalAt(cty.True, v.at))
		}
		return
	}
	b := addBlock(root, "variable", v.at, v.Name)
	if v.value != nil {
		setAttribute(b, "default", v.value.at, m.converted(v.value, v.parsed))
	}
	if v.Sensitive {
		setAttribute(b, "sensitive", v.at, literalAt(cty.True, v.at))
	}
}

// component adds a provisioner or post-processor.
func (m *maker) component(to *hclsyntax.Body, what string, b *Block) {
	in := addBlock(to, what, b.Range, b.Type)
	m.options(in, b)
	if b.name != nil {
		setAttribute(in, "name", b.name.at, m.expression(b.name))
	}
}

// evaluatedOptions are the arguments that are not a component's: no one
// renders Go templates in them.
func evaluatedOptions() []string {
	return []string{"only", "except", "pause_before", "timeout", "max_retries", "keep_input_artifact"}
}

func (m *maker) options(to *hclsyntax.Body, b *Block) {
	for _, f := range b.fields {
		if slices.Contains(evaluatedOptions(), f.name) {
			setAttribute(to, f.name, f.at, m.evaluated(f.value))
			continue
		}
		setAttribute(to, f.name, f.at, m.expression(f.value))
	}
}

// expression is n as it stands.
func (m *maker) expression(n *node) hclsyntax.Expression {
	switch n.kind {
	case list:
		e := &hclsyntax.TupleConsExpr{SrcRange: n.whole, OpenRange: n.at}
		for _, item := range n.items {
			e.Exprs = append(e.Exprs, m.expression(item))
		}
		return e
	case object:
		e := &hclsyntax.ObjectConsExpr{SrcRange: n.whole, OpenRange: n.at}
		for _, f := range n.fields {
			e.Items = append(e.Items, hclsyntax.ObjectConsItem{
				KeyExpr: &hclsyntax.ObjectConsKeyExpr{Wrapped: literalAt(cty.StringVal(f.name), f.at)}, ValueExpr: m.expression(f.value)})
		}
		return e
	case text:
		if p, err := parseText(n.text()); err == nil && p.isLate() {
			return m.converted(n, p)
		}
	}
	return literalAt(n.value, n.at)
}

// isLate reports whether p has fields beside calls, as a command such as
// "{{.Vars}} {{user `shell`}} {{.Path}}". What renders it later is told the
// values that are known by then, not that one may be secret.
func (p parsed) isLate() bool {
	return len(p.calls()) > 0 && slices.ContainsFunc(p, func(piece piece) bool {
		a, ok := piece.node.(*parse.ActionNode)
		return ok && isField(a.Pipe)
	})
}

// evaluated is n with the Go templates in a text made expressions.
func (m *maker) evaluated(n *node) hclsyntax.Expression {
	if n.kind != text {
		return m.expression(n)
	}
	p, err := parseText(n.text())
	if err != nil {
		m.fail(n.at, "Invalid Go template", "%s.", err)
		return literalAt(n.value, n.at)
	}
	return m.converted(n, p)
}

// converted is the text n, which was parsed, as an expression.
func (m *maker) converted(n *node, p parsed) hclsyntax.Expression {
	at := n.at
	if !strings.Contains(n.text(), "{{") {
		return literalAt(n.value, at)
	}
	c := &converter{timestamp: func() string { return unixTime }, variable: m.reference,
		env: func(name string) string { return quoted(m.environ(name)) }}
	e, diags := hclsyntax.ParseExpression([]byte(c.expression(p)), at.Filename, at.Start)
	if diags.HasErrors() { // of the template's form, which was checked
		m.fail(at, "Invalid Go template", "%s", diags[0].Detail)
		return literalAt(cty.StringVal(""), at)
	}
	return located{e, at}
}

func (m *maker) reference(name string) string {
	root := "var"
	if v := m.template.variable[name]; v != nil && v.isComputed() {
		root = "local"
	}
	return fmt.Sprintf("%s[%s]", root, quoted(name))
}

// located is an expression that was made of a text in JSON: its place is that
// of the text.
type located struct {
	hclsyntax.Expression
	at hcl.Range
}

func (l located) Range() hcl.Range      { return l.at }
func (l located) StartRange() hcl.Range { return l.at }

func (l located) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := l.Expression.Value(ctx)
	for i, d := range diags {
		c := *d
		c.Subject, c.Context = l.at.Ptr(), nil
		diags[i] = &c
	}
	return v, diags
}

func literalAt(v cty.Value, at hcl.Range) hclsyntax.Expression {
	return &hclsyntax.LiteralValueExpr{Val: v, SrcRange: at}
}

func newBody(at hcl.Range) *hclsyntax.Body {
	return &hclsyntax.Body{Attributes: hclsyntax.Attributes{}, SrcRange: at, EndRange: at}
}

// addBlock adds a block that starts, and has its labels, at one place.
func addBlock(to *hclsyntax.Body, typ string, at hcl.Range, labels ...string) *hclsyntax.Body {
	b := &hclsyntax.Block{Type: typ, Labels: labels, LabelRanges: slices.Repeat([]hcl.Range{at}, len(labels)), Body: newBody(at),
		TypeRange: at, OpenBraceRange: at, CloseBraceRange: at}
	to.Blocks = append(to.Blocks, b)
	return b.Body
}

func setAttribute(b *hclsyntax.Body, name string, at hcl.Range, e hclsyntax.Expression) {
	b.Attributes[name] = &hclsyntax.Attribute{Name: name, Expr: e, NameRange: at, SrcRange: hcl.RangeBetween(at, e.Range()), EqualsRange: at}
}

func setText(b *hclsyntax.Body, name, value string, at hcl.Range) {
	setAttribute(b, name, at, literalAt(cty.StringVal(value), at))
}
