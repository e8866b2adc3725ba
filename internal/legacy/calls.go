package legacy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/template/parse"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// parsed is a text by the Go templates in it.
type parsed []piece

// piece is text, or where node is not nil, what stands in "{{ }}".
type piece struct {
	text string
	node parse.Node
}

// parseText finds the Go templates in a text.
func parseText(s string) (parsed, error) {
	if !strings.Contains(s, "{{") {
		return parsed{{text: s}}, nil
	}
	tree := parse.New("")
	tree.Mode = parse.SkipFuncCheck
	if _, err := tree.Parse(s, "", "", map[string]*parse.Tree{}); err != nil {
		_, message, _ := strings.Cut(strings.TrimPrefix(err.Error(), "template: :"), ": ")
		return nil, fmt.Errorf("%s", message)
	}
	var out parsed
	if tree.Root == nil {
		return parsed{{text: ""}}, nil
	}
	for _, n := range tree.Root.Nodes {
		if t, ok := n.(*parse.TextNode); ok {
			out = append(out, piece{text: string(t.Text)})
		} else {
			out = append(out, piece{node: n})
		}
	}
	return out, nil
}

// calls returns the functions that p calls, each with the text it is given
// first, if any.
func (p parsed) calls() []call {
	var out []call
	for _, piece := range p {
		if piece.node != nil {
			walk(piece.node, func(c call) { out = append(out, c) })
		}
	}
	return out
}

type call struct{ name, text string }

func walk(n parse.Node, found func(call)) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n != nil {
			for _, n := range n.Nodes {
				walk(n, found)
			}
		}
	case *parse.ActionNode:
		walk(n.Pipe, found)
	case *parse.PipeNode:
		if n != nil {
			for _, c := range n.Cmds {
				walk(c, found)
			}
		}
	case *parse.CommandNode:
		for i, arg := range n.Args {
			if id, ok := arg.(*parse.IdentifierNode); ok {
				c := call{name: id.Ident}
				if i+1 < len(n.Args) {
					if s, ok := n.Args[i+1].(*parse.StringNode); ok {
						c.text = s.Text
					}
				}
				found(c)
			}
			walk(arg, found)
		}
	case *parse.IfNode:
		walkBranch(&n.BranchNode, found)
	case *parse.RangeNode:
		walkBranch(&n.BranchNode, found)
	case *parse.WithNode:
		walkBranch(&n.BranchNode, found)
	}
}

func walkBranch(n *parse.BranchNode, found func(call)) {
	walk(n.Pipe, found)
	walk(n.List, found)
	walk(n.ElseList, found)
}

// converter makes expressions of calls.
type converter struct {
	variable  func(name string) string // refers to a variable
	env       func(name string) string // refers to one of the environment
	timestamp func() string            // gives the Unix time
	build     bool                     // build.* and source.* may be used
	left      []string                 // what could not be converted
}

// expression returns p in HCL. What can't be converted stays a Go template,
// and is noted in c.left.
func (c *converter) expression(p parsed) string {
	var b strings.Builder
	only := ""
	for _, piece := range p {
		if piece.node == nil {
			b.WriteString(escaped(piece.text))
			continue
		}
		if a, ok := piece.node.(*parse.ActionNode); ok {
			if v, ok := c.pipe(a.Pipe); ok {
				if v.literal {
					b.WriteString(escaped(v.text))
					continue
				}
				only = v.expr
				fmt.Fprintf(&b, "${%s}", v.expr)
				continue
			}
			if !isField(a.Pipe) {
				c.left = append(c.left, a.String())
			}
		} else {
			c.left = append(c.left, piece.node.String())
		}
		b.WriteString(escaped(piece.node.String()))
	}
	if len(p) == 1 && only != "" {
		return only
	}
	return `"` + b.String() + `"`
}

// plainTemplate reports whether a Go template means in HCL what it does in
// JSON: it calls only what is there in both, and no variable.
func plainTemplate(left string) bool {
	p, err := parseText(left)
	known := []string{"build_name", "build_type", "isotime", "strftime", "timestamp", "uuid", "pwd", "template_dir", "packer_version",
		"build", "split", "replace", "replace_all", "upper", "lower", "clean_resource_name"}
	return err == nil && !slices.ContainsFunc(p.calls(), func(c call) bool { return !slices.Contains(known, c.name) })
}

// converts reports whether all of p but fields can be converted.
func (c *converter) converts(p parsed) bool {
	c.left = nil
	c.expression(p)
	return len(c.left) == 0
}

// isField reports whether p is only a field, such as {{ .Path }}.
func isField(p *parse.PipeNode) bool {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 1 {
		return false
	}
	_, ok := p.Cmds[0].Args[0].(*parse.FieldNode)
	return ok
}

// quoted writes a text in HCL.
func quoted(s string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(s)).Bytes())
}

func escaped(s string) string {
	q := quoted(s)
	return q[1 : len(q)-1]
}

// operand is an argument of a call, as an expression.
type operand struct {
	expr    string
	literal bool
	text    string // of a literal
}

func literal(s string) operand { return operand{expr: quoted(s), literal: true, text: s} }

// pipe converts commands, each of which gets the result of the one before as
// its last argument.
func (c *converter) pipe(p *parse.PipeNode) (operand, bool) {
	if len(p.Decl) > 0 {
		return operand{}, false
	}
	var last []operand
	for _, cmd := range p.Cmds {
		v, ok := c.command(cmd, last)
		if !ok {
			return operand{}, false
		}
		last = []operand{v}
	}
	return last[0], true
}

func (c *converter) command(cmd *parse.CommandNode, last []operand) (operand, bool) {
	var args []operand
	id, isCall := cmd.Args[0].(*parse.IdentifierNode)
	rest := cmd.Args
	if isCall {
		rest = rest[1:]
	}
	for _, n := range rest {
		switch n := n.(type) {
		case *parse.StringNode:
			args = append(args, literal(n.Text))
		case *parse.NumberNode:
			args = append(args, operand{expr: n.Text, literal: true, text: n.Text})
		case *parse.IdentifierNode:
			v, ok := c.call(n.Ident, nil)
			if !ok {
				return operand{}, false
			}
			args = append(args, v)
		case *parse.PipeNode:
			v, ok := c.pipe(n)
			if !ok {
				return operand{}, false
			}
			args = append(args, v)
		default:
			return operand{}, false
		}
	}
	args = append(args, last...)
	if isCall {
		return c.call(id.Ident, args)
	}
	if len(args) != 1 {
		return operand{}, false
	}
	return args[0], true
}

// call converts a call.
func (c *converter) call(name string, args []operand) (operand, bool) {
	made := func(format string, a ...any) (operand, bool) { return operand{expr: fmt.Sprintf(format, a...)}, true }
	none := operand{}
	switch {
	case len(args) == 0:
		return c.constant(name)
	case len(args) == 1 && args[0].literal:
		switch text := args[0].text; name {
		case "user":
			if text == "" {
				return none, false
			}
			return made("%s", c.variable(text))
		case "env":
			return made("%s", c.env(text))
		case "build":
			if c.build && hclsyntax.ValidIdentifier(text) {
				return made("build.%s", text)
			}
			return none, false
		}
	}
	var exprs []string
	for _, a := range args {
		exprs = append(exprs, a.expr)
	}
	all := strings.Join(exprs, ", ")
	functions := map[string]struct {
		name string
		args int
	}{
		"isotime": {"legacy_isotime", 1}, "strftime": {"legacy_strftime", 1}, "upper": {"upper", 1}, "lower": {"lower", 1},
		"consul_key": {"consul_key", 1}, "vault": {"vault", 2}, "aws_secretsmanager_raw": {"aws_secretsmanager_raw", 1},
	}
	if f, ok := functions[name]; ok && len(args) == f.args {
		return made("%s(%s)", f.name, all)
	}
	switch {
	case name == "aws_secretsmanager" && len(args) <= 2:
		return made("aws_secretsmanager(%s)", all)
	case name == "split" && len(args) == 3:
		return made("split(%s, %s)[%s]", exprs[1], exprs[0], exprs[2])
	case name == "replace_all" && len(args) == 3 && plain(args[0]):
		return made("replace(%s, %s, %s)", exprs[2], exprs[0], exprs[1])
	case name == "replace" && len(args) == 4 && exprs[2] == "-1" && plain(args[0]):
		return made("replace(%s, %s, %s)", exprs[3], exprs[0], exprs[1])
	case name == "replace" && len(args) == 4 && !slices.ContainsFunc(args, func(o operand) bool { return !o.literal }):
		if n, err := strconv.Atoi(args[2].text); err == nil { // HCL replaces all or nothing
			return literal(strings.Replace(args[3].text, args[0].text, args[1].text, n)), true
		}
	}
	return none, false
}

// constant converts a call without arguments.
func (c *converter) constant(name string) (operand, bool) {
	if name == "timestamp" {
		return operand{expr: c.timestamp()}, true
	}
	made := map[string]string{
		"isotime": "timestamp()", "uuid": "uuidv4()", "pwd": "path.cwd", "template_dir": "path.root",
		"packer_version": "packer.version",
	}
	if c.build {
		made["build_name"], made["build_type"] = "source.name", "source.type"
	}
	return operand{expr: made[name]}, made[name] != ""
}

// plain reports whether HCL's replace takes a text as it is: one between
// slashes is a regular expression.
func plain(o operand) bool {
	return o.literal && (len(o.text) < 2 || o.text[0] != '/' || !strings.HasSuffix(o.text, "/"))
}

// identifier makes a name that HCL takes, and that is not among taken.
func identifier(name string, taken map[string]bool) string {
	out := strings.Map(func(r rune) rune {
		if r == '-' || hclsyntax.ValidIdentifier("a"+string(r)) {
			return r
		}
		return '_'
	}, strings.TrimSpace(name))
	if out == "" || !hclsyntax.ValidIdentifier(out) {
		out = "_" + out
	}
	for base, i := out, 2; taken[out]; i++ {
		out = fmt.Sprintf("%s_%d", base, i)
	}
	taken[out] = true
	return out
}

// userNames returns the variables that the texts in n use, with the places
// of those texts.
func userNames(n *node, found func(name string, at *node)) {
	switch n.kind {
	case text:
		if !strings.Contains(n.text(), "user") {
			return
		}
		p, err := parseText(n.text())
		if err != nil {
			return // whoever renders it says so
		}
		for _, c := range slices.Compact(p.calls()) {
			if c.name == "user" && c.text != "" {
				found(c.text, n)
			}
		}
	case list:
		for _, item := range n.items {
			userNames(item, found)
		}
	case object:
		for _, f := range n.fields {
			userNames(f.value, found)
		}
	}
}
