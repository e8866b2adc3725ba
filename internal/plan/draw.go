package plan

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// all are the builds of the graph, in the order of the template where there is one.
func (p *Plan) all() []*Build { return slices.Concat(p.Outside, p.Builds) }

// tree prints which builds follow which, the ones that follow none first.
func (p *Plan) tree(w *errWriter, paint func(colour, text string) string) {
	if !p.Chained() {
		return
	}
	t := &tree{children: map[*Build][]*Build{}, paint: paint}
	for _, b := range p.all() {
		if first := b.firstParent(); first != nil {
			t.children[first] = append(t.children[first], b)
		}
	}
	for _, b := range p.all() {
		if b.firstParent() == nil && len(t.children[b]) > 0 {
			t.print(w, b, "", "")
		}
	}
	w.printf("\n")
}

// firstParent is the parent that the build is shown below.
func (b *Build) firstParent() *Build {
	if p := b.parent(b.family.base); p != nil {
		return p
	}
	for _, p := range b.Parents {
		if p.Build != nil {
			return p.Build
		}
	}
	return nil
}

type tree struct {
	children map[*Build][]*Build
	paint    func(colour, text string) string
}

func (t *tree) print(w *errWriter, b *Build, first, rest string) {
	var others []string
	for _, p := range b.Parents {
		if p.Build != nil && p.Build != b.firstParent() {
			others = append(others, p.Address)
		}
	}
	note := ""
	if len(others) > 0 {
		note = "  takes the image of " + strings.Join(others, ", ") + " too"
	}
	if b.family.outside {
		note += "  left out"
	}
	w.printf("%s%s %s%s\n", first, t.mark(b), b.Address, t.paint("dim", note))
	list := t.children[b]
	for i, c := range list {
		if i == len(list)-1 {
			t.print(w, c, rest+"└─ ", rest+"   ")
		} else {
			t.print(w, c, rest+"├─ ", rest+"│  ")
		}
	}
}

func (t *tree) mark(b *Build) string {
	switch {
	case b.Status == Failed:
		return t.paint("red", "!")
	case b.Status == Unchanged && !b.Distribute:
		return t.paint("green", "=")
	}
	return t.paint("yellow", "~")
}

// colours are those of the states of builds, as fill and border.
func colours(s Status) (fill, border string) {
	switch s {
	case Unchanged:
		return "#dcf2dc", "#2e7d32"
	case New, Changed:
		return "#fff3cd", "#b8860b"
	case Failed:
		return "#f8d7da", "#b71c1c"
	}
	return "#ffffff", "#555555"
}

// DOT prints the graph for Graphviz, with the states of the builds where they
// are known.
func (p *Plan) DOT(w io.Writer) error {
	ew := &errWriter{w: w}
	ew.printf("digraph builds {\n  rankdir=LR;\n  node [shape=box, style=filled, fontname=\"sans-serif\"];\n")
	for _, b := range p.all() {
		fill, border := colours(b.Status)
		style := ""
		if b.family.outside {
			style = `, style="filled,dashed"`
		}
		if b.Status != "" {
			style += fmt.Sprintf(", tooltip=%s", dotText(string(b.Status)))
		}
		ew.printf("  %s [fillcolor=%q, color=%q%s];\n", dotText(b.Address), fill, border, style)
	}
	for _, b := range p.all() {
		for _, parent := range b.Parents {
			style := ""
			if !b.counts(parent) {
				style = " [style=dashed]"
			}
			ew.printf("  %s -> %s%s;\n", dotText(parent.Address), dotText(b.Address), style)
		}
	}
	ew.printf("}\n")
	return ew.err
}

func dotText(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

// Mermaid prints the graph for Mermaid, with the states of the builds where
// they are known.
func (p *Plan) Mermaid(w io.Writer) error {
	ew := &errWriter{w: w}
	ew.printf("graph LR\n")
	names := map[string]string{}
	for i, b := range p.all() {
		names[b.Address] = fmt.Sprintf("b%d", i+1)
		ew.printf("  %s[\"%s\"]\n", names[b.Address], strings.NewReplacer(`"`, "#quot;", "<", "#lt;", ">", "#gt;").Replace(b.Address))
	}
	for _, b := range p.all() {
		for _, parent := range b.Parents {
			arrow := "-->"
			if !b.counts(parent) {
				arrow = "-.->"
			}
			if names[parent.Address] != "" {
				ew.printf("  %s %s %s\n", names[parent.Address], arrow, names[b.Address])
			}
		}
	}
	for _, s := range []Status{New, Changed, Unchanged, Failed} {
		var list []string
		for _, b := range p.all() {
			if b.Status == s {
				list = append(list, names[b.Address])
			}
		}
		if len(list) > 0 {
			fill, border := colours(s)
			ew.printf("  classDef %s fill:%s,stroke:%s\n  class %s %s\n", s, fill, border, strings.Join(list, ","), s)
		}
	}
	return ew.err
}
