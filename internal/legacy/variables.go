package legacy

import (
	"fmt"
	"slices"
	"strings"
	"text/template/parse"

	"github.com/ingot-build/ingot/internal/component"
)

// variables reads "variables" and "sensitive-variables".
func (r *reader) variables(t *Template, root *node) {
	secret := map[string]bool{}
	for _, n := range r.list(root, "sensitive-variables") {
		if n.kind != text {
			r.wrong(n, "sensitive-variables", "a list of text")
			continue
		}
		secret[n.text()] = true
	}
	n := root.get("variables")
	if n == nil || n.kind == null {
		return
	}
	if n.kind != object {
		r.wrong(n, "variables", "an object")
		return
	}
	for _, f := range n.fields {
		v := &Variable{Name: f.name, Sensitive: secret[f.name], at: f.at}
		switch f.value.kind {
		case text:
			v.value = f.value
		case null:
		default:
			r.fail(f.value.at, fmt.Sprintf("Wrong value for variable %q", f.name),
				"The variables of a JSON template are text, or null where a value must be given; this is %s.", f.value.kind)
			continue
		}
		t.addVariable(v)
	}
}

func (t *Template) addVariable(v *Variable) {
	t.Variables = append(t.Variables, v)
	t.variable[v.Name] = v
}

// useVariables gives the variables the values from outside that have Go
// templates in them, adds the variables that are used or given and not
// declared, and checks that none is made of itself.
func (r *reader) useVariables(t *Template, root *node, given []Given) {
	for _, g := range given {
		if t.variable[g.Name] == nil {
			t.addVariable(&Variable{Name: g.Name, Undeclared: true, at: g.Range})
		}
		t.variable[g.Name].value = textNode(g.Text, g.Range)
	}
	var declared []string
	for _, v := range t.Variables {
		declared = append(declared, v.Name)
	}
	for _, f := range root.fields {
		if strings.HasPrefix(f.name, "_") || f.name == "push" {
			continue
		}
		userNames(f.value, func(name string, at *node) {
			if t.variable[name] != nil {
				return
			}
			detail := `It is not in "variables", and empty where no value is given.`
			if near := component.Nearest(name, declared); near != "" {
				detail += fmt.Sprintf(" Did you mean %q?", near)
			}
			r.warn(at.at, fmt.Sprintf("Unknown variable %q", name), "%s", detail)
			t.addVariable(&Variable{Name: name, Undeclared: true, at: at.at, value: textNode("", at.at)})
		})
	}
	for _, v := range t.Variables {
		v.parsed = parsed{{text: ""}}
		if v.value == nil {
			continue
		}
		p, err := parseText(v.value.text())
		if err != nil {
			r.fail(v.value.at, "Invalid Go template", "In variable %q: %s.", v.Name, err)
			continue
		}
		v.parsed = p
		c := &converter{variable: quoted, env: quoted, timestamp: func() string { return "" }}
		if v.isComputed() && !c.converts(p) {
			r.fail(v.value.at, fmt.Sprintf("Variable %q can't be evaluated", v.Name),
				"A variable can't have %s.", strings.Join(c.left, ", "))
		}
	}
	r.cycles(t)
}

// isComputed reports whether the value of v is more than text and variables
// of the environment, so that a default in HCL can't hold it.
func (v *Variable) isComputed() bool {
	return slices.ContainsFunc(v.parsed, func(p piece) bool {
		a, ok := p.node.(*parse.ActionNode)
		return p.node != nil && !(ok && (isField(a.Pipe) || isEnv(a.Pipe)))
	})
}

// isEnv reports whether p is only a call such as {{ env `HOME` }}.
func isEnv(p *parse.PipeNode) bool {
	if len(p.Cmds) != 1 || len(p.Cmds[0].Args) != 2 || len(p.Decl) > 0 {
		return false
	}
	id, ok := p.Cmds[0].Args[0].(*parse.IdentifierNode)
	_, isText := p.Cmds[0].Args[1].(*parse.StringNode)
	return ok && id.Ident == "env" && isText
}

// cycles is an error for each variable that is made of itself.
func (r *reader) cycles(t *Template) {
	const (
		under = 1
		done  = 2
	)
	state := map[string]int{}
	var path []string
	var visit func(v *Variable)
	visit = func(v *Variable) {
		path = append(path, v.Name)
		defer func() { path = path[:len(path)-1] }()
		if state[v.Name] == under {
			way := path[slices.Index(path, v.Name):]
			r.fail(v.at, "Cycle in variables", "%s.", strings.Join(way, " → "))
			return
		}
		if state[v.Name] == done {
			return
		}
		state[v.Name] = under
		for _, c := range v.parsed.calls() {
			if u := t.variable[c.text]; c.name == "user" && u != nil {
				visit(u)
			}
		}
		state[v.Name] = done
	}
	for _, v := range t.Variables {
		visit(v)
	}
}
