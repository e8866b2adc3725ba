// Package legacy reads Packer's JSON templates, as they were before HCL2.
//
// File gives such a template to internal/lang as the blocks it would be in
// HCL, every value at its place in the JSON; the Go templates in the values
// stay what they are, lang renders them. HCL writes the template anew as a
// file of HCL: what Go templates call becomes expressions.
package legacy

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/component"
)

// Template is what a JSON template has.
type Template struct {
	Description, MinVersion *node // nil where there is none
	Variables               []*Variable
	Builders                []*Block
	Provisioners            []*Block
	Cleanup                 *Block // error-cleanup-provisioner; nil where there is none
	PostProcessors          [][]*Block

	at       hcl.Range // its opening brace
	comments []string
	empty    bool // it has no builders
	named    map[string]bool
	variable map[string]*Variable
}

// Variable is an entry of "variables".
type Variable struct {
	Name       string
	Sensitive  bool
	Undeclared bool // it is used, and not in "variables"

	at     hcl.Range
	value  *node // nil where one must be given
	parsed parsed
}

// Block is a builder, provisioner or post-processor.
type Block struct {
	Type, Name string // Name is "" where it has none
	Range      hcl.Range

	name   *node // where Name is
	fields []field
}

// Given is a value for a variable from outside of the template.
type Given struct {
	Name, Text, Source string
	Range              hcl.Range // where it is written; its Filename is "" on the command line
}

// rootKeys are the keys that a template may have, beside those that start
// with "_", which are comments.
func rootKeys() []string {
	return []string{"builders", "comments", "description", "error-cleanup-provisioner", "min_packer_version",
		"post-processors", "provisioners", "push", "sensitive-variables", "variables"}
}

// Read reads a template and reports all that is wrong with its form: what is
// wrong with the options of a component is for others to say. The result is
// nil where src is not a JSON object.
func Read(name string, src []byte, given ...Given) (*Template, hcl.Diagnostics) {
	r := &reader{}
	root := r.parse(name, src)
	if root == nil {
		return nil, r.diags
	}
	if root.kind != object {
		r.fail(root.at, "Not a template", "A JSON template is an object, not %s.", root.kind)
		return nil, r.diags
	}
	t := &Template{at: root.at, named: map[string]bool{}, variable: map[string]*Variable{}}
	r.keys(root)
	for _, f := range root.fields {
		if strings.HasPrefix(f.name, "_") && f.value.kind == text {
			t.comments = append(t.comments, f.value.text())
		}
	}
	t.Description = r.optionalText(root, "description")
	t.MinVersion = r.optionalText(root, "min_packer_version")
	r.builders(t, root)
	t.Provisioners = r.blocks(r.list(root, "provisioners"), "provisioner")
	if n := root.get("error-cleanup-provisioner"); n != nil && n.kind != null {
		t.Cleanup = r.block(n, "error-cleanup-provisioner")
	}
	r.postProcessors(t, root)
	r.variables(t, root)
	r.checkNames(t)
	r.useVariables(t, root, given)
	return t, r.diags
}

// Incomplete is an error where the template has no builder, as one that has
// only variables: it can be read, and not be built.
func (t *Template) Incomplete() hcl.Diagnostics {
	if !t.empty {
		return nil
	}
	return hcl.Diagnostics{errorAt(t.at, "No builders", `A template needs at least one builder: "builders": [{"type": "…"}].`)}
}

// About returns the description, "" where there is none.
func (t *Template) About() string {
	if t.Description == nil {
		return ""
	}
	return t.Description.text()
}

// Default returns what a variable is set to in the template. It reports whether
// it is.
func (v *Variable) Default() (string, bool) {
	if v.value == nil {
		return "", false
	}
	return v.value.text(), true
}

// Component is a type that a template has components of.
type Component struct{ Kind, Type string } // Kind is "builder", "provisioner" or "post-processor"

// Components returns the types that are used, each once.
func (t *Template) Components() []Component {
	var out []Component
	add := func(kind string, blocks []*Block) {
		for _, b := range blocks {
			if c := (Component{kind, b.Type}); !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	}
	add("builder", t.Builders)
	add("provisioner", t.Provisioners)
	if t.Cleanup != nil {
		add("provisioner", []*Block{t.Cleanup})
	}
	for _, chain := range t.PostProcessors {
		add("post-processor", chain)
	}
	return out
}

// Check tells what is wrong with src as JSON: it is one object, and each key
// is once in its object.
func Check(name string, src []byte) hcl.Diagnostics {
	r := &reader{}
	if root := r.parse(name, src); root != nil && root.kind != object {
		r.fail(root.at, "Not a template", "A JSON template is an object, not %s.", root.kind)
	}
	return r.diags
}

func (r *reader) keys(root *node) {
	for _, f := range root.fields {
		switch {
		case strings.HasPrefix(f.name, "_") || slices.Contains(rootKeys(), f.name) && f.name != "push":
		case f.name == "push":
			r.warn(f.at, `"push" does nothing`, "It was for a service that is gone. It can be removed.")
		default:
			detail := "A JSON template has no such key."
			if near := component.Nearest(f.name, rootKeys()); near != "" {
				detail += fmt.Sprintf(" Did you mean %q?", near)
			} else if slices.Contains([]string{"source", "build", "variable", "packer", "locals", "local", "data"}, f.name) {
				detail += " It is one of HCL's JSON form: call the file *.pkr.json, or read it with -config-type=hcl2."
			} else {
				detail += ` Comments have keys that start with "_".`
			}
			r.fail(f.at, fmt.Sprintf("Unknown key %q", f.name), "%s", detail)
		}
	}
}

func (r *reader) optionalText(root *node, name string) *node {
	n := root.get(name)
	if n == nil || n.kind == null {
		return nil
	}
	if n.kind != text {
		r.wrong(n, name, "text")
		return nil
	}
	return n
}

func (r *reader) wrong(n *node, name, want string) {
	r.fail(n.at, fmt.Sprintf("Wrong value for %q", name), "%q is %s, not %s.", name, want, n.kind)
}

// list returns the items of a list.
func (r *reader) list(root *node, name string) []*node {
	n := root.get(name)
	if n == nil || n.kind == null {
		return nil
	}
	if n.kind != list {
		r.wrong(n, name, "a list")
		return nil
	}
	return n.items
}

func (r *reader) blocks(items []*node, what string) []*Block {
	var out []*Block
	for _, n := range items {
		if b := r.block(n, what); b != nil {
			out = append(out, b)
		}
	}
	return out
}

// block reads an object with a type.
func (r *reader) block(n *node, what string) *Block {
	a := "a " + what
	if what[0] == 'e' {
		a = "an " + what
	}
	if n.kind != object {
		r.fail(n.at, "Wrong value for "+a, `A%s is an object with a "type", not %s.`, a[1:], n.kind)
		return nil
	}
	typ := n.get("type")
	if typ == nil || typ.kind == null || typ.kind == text && typ.text() == "" {
		r.fail(n.at, `Missing "type"`, `A%s needs a "type".`, a[1:])
		return nil
	}
	if typ.kind != text {
		r.wrong(typ, "type", "text")
		return nil
	}
	b := &Block{Type: typ.text(), Range: typ.at}
	for _, f := range n.fields {
		if f.name != "type" {
			b.fields = append(b.fields, f)
		}
	}
	return b
}

func (b *Block) get(name string) *node { return (&node{fields: b.fields}).get(name) }

// takeName moves the field "name" to where the block's name is, and reports
// whether it is one.
func (r *reader) takeName(b *Block) bool {
	n := b.get("name")
	if n == nil || n.kind == null {
		return true
	}
	if n.kind != text {
		r.wrong(n, "name", "text")
		return false
	}
	b.Name, b.name = n.text(), n
	b.fields = slices.DeleteFunc(b.fields, func(f field) bool { return f.name == "name" })
	return true
}

func (r *reader) builders(t *Template, root *node) {
	if n := root.get("builders"); n == nil || n.kind == null || n.kind == list && len(n.items) == 0 {
		t.empty = true
		return
	}
	first := map[string]hcl.Range{}
	for _, b := range r.blocks(r.list(root, "builders"), "builder") {
		if !r.takeName(b) {
			continue
		}
		name, at := b.BuildName(), b.Range
		if b.name != nil {
			at = b.name.at
		}
		if was, ok := first[name]; ok {
			r.fail(at, fmt.Sprintf("Duplicate builder %q", name), `There is one in line %d already. Give one of them another "name".`, was.Start.Line)
			continue
		}
		first[name] = at
		t.named[name] = true
		t.Builders = append(t.Builders, b)
	}
}

// BuildName is the name of a builder's build: its own, else its type.
func (b *Block) BuildName() string {
	if b.Name == "" {
		return b.Type
	}
	return b.Name
}

// postProcessors reads chains: each entry is one, of one post-processor where
// it is not a list.
func (r *reader) postProcessors(t *Template, root *node) {
	for _, entry := range r.list(root, "post-processors") {
		items := []*node{entry}
		if entry.kind == list {
			items = entry.items
		}
		var chain []*Block
		for _, n := range items {
			if n.kind == text {
				n = &node{kind: object, at: n.at, fields: []field{{name: "type", at: n.at, value: n}}}
			}
			if n.kind == list {
				r.fail(n.at, "List in a list", "A chain of post-processors can't have another one in it.")
				continue
			}
			if b := r.block(n, "post-processor"); b != nil && r.takeName(b) {
				chain = append(chain, b)
			}
		}
		if len(chain) > 0 {
			t.PostProcessors = append(t.PostProcessors, chain)
		}
	}
}

// checkNames checks that only, except and override name builders.
func (r *reader) checkNames(t *Template) {
	if len(t.named) == 0 {
		return
	}
	known := func(name string, at hcl.Range, where string) {
		if t.named[name] {
			return
		}
		detail := fmt.Sprintf("There is no builder of that name, which is in %q.", where)
		var names []string
		for _, b := range t.Builders {
			names = append(names, b.BuildName())
		}
		if near := component.Nearest(name, names); near != "" {
			detail += fmt.Sprintf(" Did you mean %q?", near)
		} else {
			detail += " There are: " + strings.Join(names, ", ") + "."
		}
		r.fail(at, fmt.Sprintf("Unknown builder %q", name), "%s", detail)
	}
	all := slices.Clone(t.Provisioners)
	for _, chain := range t.PostProcessors {
		all = append(all, chain...)
	}
	for i, b := range all {
		for _, where := range []string{"only", "except"} {
			n := b.get(where)
			if n != nil && n.kind == list {
				for _, item := range n.items {
					if item.kind == text {
						known(item.text(), item.at, where)
					}
				}
			}
		}
		if n := b.get("override"); n != nil && n.kind == object && i < len(t.Provisioners) {
			for _, f := range n.fields {
				known(f.name, f.at, "override")
			}
		}
	}
}
