package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"

	"github.com/ingot-build/ingot/internal/component"
)

// Source is where a build starts: a builder's configuration, as one build
// block uses it.
type Source struct {
	Type, Name, LocalName string // LocalName is Name, or the name that the build block gives it
	Range                 hcl.Range

	t      *Template
	legacy bool // a builder of a JSON template
	bodies []sourceBody
	object cty.Value    // source.*
	build  [2]cty.Value // build.*, by form
}

// sourceBody is a body of options with the iterators around it.
type sourceBody struct {
	body   hcl.Body
	around []iteration
	ignore []string
}

// sourceBlock is a source block of the top level.
type sourceBlock struct{ block *hcl.Block }

func (t *Template) loadSources(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range blocks.OfType("source") {
		ref := b.Labels[0] + "." + b.Labels[1]
		if strings.ContainsAny(b.Labels[1], ". ") {
			diags = append(diags, errorAt(b.LabelRanges[1], "Invalid name of a source", "It may not have dots or spaces."))
			continue
		}
		if first := t.sources[ref]; first != nil {
			diags = append(diags, duplicate(b.DefRange, "source", ref, first.block.DefRange))
			continue
		}
		t.sources[ref] = &sourceBlock{block: b}
	}
	return diags
}

// newSource returns the source that ref names: "type.name" or "source.type.name".
func (t *Template) newSource(ref, localName string, at hcl.Range) (*Source, hcl.Diagnostics) {
	parts := strings.Split(ref, ".")
	if len(parts) > 2 {
		parts = parts[1:]
	}
	if len(parts) < 2 {
		return nil, hcl.Diagnostics{errorAt(at, "Invalid reference to a source", fmt.Sprintf("Write it as \"source.type.name\", not %q.", ref))}
	}
	name := parts[0] + "." + parts[1]
	def := t.sources[name]
	if def == nil {
		detail := fmt.Sprintf("There is no source %q %q.", parts[0], parts[1])
		if near := component.Nearest(name, slices.Sorted(maps.Keys(t.sources))); near != "" {
			detail += fmt.Sprintf(" Did you mean %q?", "source."+near)
		}
		return nil, hcl.Diagnostics{errorAt(at, "Unknown source "+name, detail)}
	}
	if localName == "" {
		localName = parts[1]
	}
	s := &Source{Type: parts[0], Name: parts[1], LocalName: localName, Range: def.block.DefRange, t: t}
	s.bodies = []sourceBody{{body: def.block.Body}}
	s.object = cty.ObjectVal(map[string]cty.Value{"type": cty.StringVal(s.Type), "name": cty.StringVal(s.LocalName)})
	for form := range s.build {
		s.build[form] = t.buildObject(Form(form), s)
	}
	return s, nil
}

// sourceRefs evaluates the sources argument of a build: a list of references,
// each as text or as the expression source.type.name.
func (t *Template) sourceRefs(expr hcl.Expression) ([]*Source, hcl.Diagnostics) {
	items, diags := hcl.ExprList(expr)
	if diags.HasErrors() {
		items = []hcl.Expression{expr}
	}
	diags = nil
	var out []*Source
	for _, item := range items {
		refs, ds := t.refs(item)
		diags = append(diags, ds...)
		for _, ref := range refs {
			s, ds := t.newSource(ref, "", item.Range())
			diags = append(diags, ds...)
			if s != nil {
				out = append(out, s)
			}
		}
	}
	return out, diags
}

func (t *Template) refs(item hcl.Expression) ([]string, hcl.Diagnostics) {
	if tr, ds := hcl.AbsTraversalForExpr(item); !ds.HasErrors() && tr.RootName() == "source" && len(tr) > 2 {
		return []string{stepName(tr, 1) + "." + stepName(tr, 2)}, nil
	}
	v, diags := t.eval(Real, item, t.root[Real])
	v, _ = v.UnmarkDeep()
	if diags.HasErrors() || !v.IsWhollyKnown() || v.IsNull() {
		return nil, diags
	}
	if v.Type() == cty.String {
		return []string{v.AsString()}, diags
	}
	list, err := convert.Convert(v, cty.List(cty.String))
	if err != nil || list.IsNull() {
		return nil, append(diags, errorAt(item.Range(), "Wrong value for \"sources\"", "A list of references such as \"source.docker.web\" is needed."))
	}
	var out []string
	for it := list.ElementIterator(); it.Next(); {
		if _, e := it.Element(); !e.IsNull() {
			out = append(out, e.AsString())
		}
	}
	return out, diags
}

// Decode sets dst, a builder's configuration, to the source's options.
func (s *Source) Decode(sc Scope, dst any) (*Decoded, hcl.Diagnostics) {
	sc.Source = s
	return sc.decode(decodeInput{what: "source " + quote(s.Type), at: s.Range, bodies: s.bodies}, dst)
}
