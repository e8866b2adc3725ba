package lang

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
)

// A Go template that does more with a value of build.* than put it in is late,
// as an expression is (see later.go).

// mention finds what an action names: fields, and what it has in quotes.
var mention = regexp.MustCompile("(\\.|[`\"])(\\w+)")

var callsBuild = regexp.MustCompile(`\bbuild\b`)

// worksOn returns the names of the tokens that a template does more with than
// put them in.
func (e *engine) worksOn(root *parse.ListNode, fields map[string]string) []string {
	var out []string
	build := e.scope.Source.build[e.scope.Form].Type()
	for _, n := range root.Nodes {
		if n.Type() == parse.NodeText || inserts(n) {
			continue
		}
		text := n.String()
		calls := callsBuild.MatchString(text)
		for _, m := range mention.FindAllStringSubmatch(text, -1) {
			switch name := m[2]; {
			case m[1] == ".":
				out = append(out, lateTokens(fields[name])...)
			case calls && build.HasAttribute(name):
				out = append(out, "build."+name)
			}
		}
	}
	return out
}

// inserts reports whether a node is {{.Field}} or {{build "Field"}}.
func inserts(n parse.Node) bool {
	a, ok := n.(*parse.ActionNode)
	if !ok || len(a.Pipe.Decl) > 0 || len(a.Pipe.Cmds) != 1 {
		return false
	}
	switch args := a.Pipe.Cmds[0].Args; args[0].Type() {
	case parse.NodeField:
		return true
	case parse.NodeIdentifier:
		return args[0].String() == "build" && len(args) == 2 && args[1].Type() == parse.NodeString
	}
	return false
}

// lateTokens returns the names of the values of build.* whose tokens are in
// text.
func lateTokens(text string) []string {
	return slices.DeleteFunc(op.Tokens(text), func(name string) bool { return !strings.HasPrefix(name, "build.") })
}

// settle puts values in the place of tokens, or, where none are known, what
// stands in for them.
func (e *engine) settle(fields map[string]string) map[string]string {
	if e.settled = e.scope.Values; e.settled == nil {
		e.settled = op.Values{}
	}
	out := maps.Clone(fields)
	for name, text := range out {
		out[name] = e.settled.Text(text)
	}
	return out
}

// late notes what a template is made of that works on values of build.*. While
// they are not known it returns a token that stands for it.
func (e *engine) late(text string, names []string) string {
	if e.scope.Values != nil {
		for _, name := range names {
			if e.scope.Values[name].IsSensitive() {
				e.mark(sensitive)
			}
		}
		return ""
	}
	h := key.New("late template/1").String(text)
	for _, m := range mention.FindAllStringSubmatch(text, -1) {
		if v := e.t.vars[m[2]]; v != nil {
			h.String(digest(v.forms[Keyed]))
		}
	}
	name := latePrefix + string(h.Sum())[:32]
	e.marks[late(name)] = struct{}{}
	return op.Token(name)
}
