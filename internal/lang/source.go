package lang

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// Source is where a build starts: a builder's configuration, as one build
// block uses it.
type Source struct {
	Type, Name, LocalName string // LocalName is Name, or the name that the build block gives it
	Range                 hcl.Range

	t       *Template
	address string // of its build
	in      string // the name of the build block
	parents []Parent
	legacy  bool // a builder of a JSON template
	bodies  []sourceBody
	of      string            // with for_each: the label of the source block, of which Name has the key too
	object  cty.Value         // source.*
	build   [2]cty.Value      // build.*, by form
	fields  map[string]string // of Go templates
}

// sourceBody is a body of options with the iterators around it.
type sourceBody struct {
	body   hcl.Body
	around []iteration
	ignore []string
}

// sourceBlock is a source block of the top level, or one of those that its
// for_each makes of it.
type sourceBlock struct {
	block  *hcl.Block
	name   string // the label, with for_each "label-key"
	of     string // with for_each: the label
	around []iteration
}

// sourceGroup is what for_each makes of a source block, by key.
type sourceGroup struct {
	order   []*sourceBlock
	byKey   map[string]*sourceBlock
	at      hcl.Range
	unknown bool // for_each is not known: there is one, and it has any key
}

func (t *Template) loadSources(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range blocks.OfType("source") {
		if b.Labels[1] == "" || strings.ContainsAny(b.Labels[1], ". ") {
			diags = append(diags, errorAt(b.LabelRanges[1], "Invalid name of a source", "It is not empty and has no dots or spaces."))
			continue
		}
		if a := forEachOf(b.Body); a != nil {
			diags = append(diags, t.addGroup(b, a.Expr)...)
			continue
		}
		diags = append(diags, t.declareSource(&sourceBlock{block: b, name: b.Labels[1]})...)
	}
	return diags
}

func (t *Template) declareSource(s *sourceBlock) hcl.Diagnostics {
	ref := s.block.Labels[0] + "." + s.name
	first, at := t.sources[ref], hcl.Range{}
	if g := t.groups[ref]; g != nil && s.of == "" {
		at = g.at
	} else if first != nil {
		at = first.block.DefRange
	} else {
		t.sources[ref] = s
		return nil
	}
	return hcl.Diagnostics{duplicate(s.block.DefRange, "source", ref, at)}
}

// addGroup declares the sources that a for_each makes of a block.
func (t *Template) addGroup(b *hcl.Block, forEach hcl.Expression) hcl.Diagnostics {
	ref := b.Labels[0] + "." + b.Labels[1]
	if g := t.groups[ref]; g != nil {
		return hcl.Diagnostics{duplicate(b.DefRange, "source", ref, g.at)}
	}
	if first := t.sources[ref]; first != nil {
		return hcl.Diagnostics{duplicate(b.DefRange, "source", ref, first.block.DefRange)}
	}
	list, diags := t.instances(forEach)
	g := &sourceGroup{at: b.DefRange, byKey: map[string]*sourceBlock{}, unknown: diags.HasErrors()}
	t.groups[ref] = g
	for _, i := range list {
		s := &sourceBlock{block: b, name: b.Labels[1] + "-" + i.key, of: b.Labels[1], around: i.around}
		ds := t.declareSource(s)
		diags = append(diags, ds...)
		if !ds.HasErrors() {
			g.order, g.byKey[i.key] = append(g.order, s), s
		}
		g.unknown = g.unknown || i.unknown
	}
	return diags
}

// withKey is a reference with a key behind it.
var withKey = regexp.MustCompile(`^(.*)\["?([^"\]]*)"?\]$`)

// findSources returns the sources that ref names: "type.name" or
// "source.type.name"; of a source with for_each all, or with ["key"] one.
func (t *Template) findSources(ref string, at hcl.Range) ([]*sourceBlock, hcl.Diagnostics) {
	path, key, keyed := ref, "", false
	if m := withKey.FindStringSubmatch(ref); m != nil {
		path, key, keyed = m[1], m[2], true
	}
	parts := strings.Split(path, ".")
	if len(parts) > 2 && t.sources[path] == nil {
		parts = parts[1:]
	}
	if len(parts) < 2 {
		return nil, hcl.Diagnostics{errorAt(at, "Invalid reference to a source", fmt.Sprintf("Write it as \"source.type.name\", not %q.", ref))}
	}
	name := parts[0] + "." + parts[1]
	if g := t.groups[name]; g != nil {
		return t.findInGroup(g, name, key, keyed, at)
	}
	for _, n := range []string{path, strings.Join(parts, "."), name} { // keys may have dots
		if def := t.sources[n]; def != nil && !keyed {
			return []*sourceBlock{def}, nil
		}
	}
	detail := fmt.Sprintf("There is no source %q %q.", parts[0], parts[1])
	if t.sources[name] != nil {
		detail = fmt.Sprintf("The source %q %q has no for_each, and so no keys.", parts[0], parts[1])
	} else if near := t.nearest(name, namesOf(t.sources)); near != "" {
		detail += fmt.Sprintf(" Did you mean %q?", "source."+near)
	}
	return nil, hcl.Diagnostics{errorAt(at, "Unknown source "+name, detail)}
}

func (t *Template) findInGroup(g *sourceGroup, name, key string, keyed bool, at hcl.Range) ([]*sourceBlock, hcl.Diagnostics) {
	if !keyed || g.unknown {
		return g.order, nil
	}
	if s := g.byKey[key]; s != nil {
		return []*sourceBlock{s}, nil
	}
	detail := fmt.Sprintf("Its for_each has no key %q.", key)
	if near := t.nearest(key, namesOf(g.byKey)); near != "" {
		detail += fmt.Sprintf(" Did you mean %q?", near)
	}
	return nil, hcl.Diagnostics{errorAt(at, "Unknown source "+name+"["+quote(key)+"]", detail)}
}

// newSources returns the sources that ref names, for one build.
func (t *Template) newSources(ref, localName string, at hcl.Range) ([]*Source, hcl.Diagnostics) {
	defs, diags := t.findSources(ref, at)
	var out []*Source
	for _, def := range defs {
		s := &Source{Type: def.block.Labels[0], Name: def.name, LocalName: cmp.Or(localName, def.name), Range: def.block.DefRange, t: t, of: def.of}
		s.bodies = []sourceBody{{body: def.block.Body, around: def.around, ignore: withEach(def.block.Body)}}
		s.fields = t.lateFields(s.Type)
		out = append(out, s)
	}
	return out, diags
}

// setValues sets what expressions see of the source.
func (s *Source) setValues() {
	s.object = cty.ObjectVal(map[string]cty.Value{"type": cty.StringVal(s.Type), "name": cty.StringVal(s.LocalName)})
	for form := range s.build {
		s.build[form] = s.t.buildObject(Form(form), s)
	}
}

// Names are what only and except may call the source.
func (s *Source) Names() []string {
	names := []string{s.LocalName, s.Type + "." + s.LocalName}
	if s.of != "" {
		names = append(names, s.of, s.Type+"."+s.of)
	}
	return names
}

// Any returns a source that stands for all of this type in a build block: what
// is checked for it holds for each of them where Decoded.Name says so.
func (s *Source) Any() *Source {
	any := *s
	any.Name, any.LocalName, any.of = "any-"+s.Type+"-source", "any-"+s.Type+"-source", ""
	any.setValues()
	return &any
}

// sourceRefs evaluates the sources argument of a build: a list of references,
// each as text or as the expression source.type.name.
func (t *Template) sourceRefs(expr hcl.Expression, around []iteration) ([]*Source, hcl.Diagnostics) {
	items, diags := hcl.ExprList(expr)
	if diags.HasErrors() {
		items = []hcl.Expression{expr}
	}
	diags = nil
	var out []*Source
	for _, item := range items {
		refs, ds := t.refs(item, t.context(Real, nil, false, around))
		diags = append(diags, ds...)
		for _, ref := range refs {
			list, ds := t.newSources(ref, "", item.Range())
			diags = append(diags, ds...)
			out = append(out, list...)
		}
	}
	return out, diags
}

func (t *Template) refs(item hcl.Expression, ctx *hcl.EvalContext) ([]string, hcl.Diagnostics) {
	if ref, diags, ok := t.traversalRef(item, ctx); ok {
		return ref, diags
	}
	v, diags := t.eval(Real, item, ctx)
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

// traversalRef reads source.type.name, source.type.name["key"] and
// source.type.name[expression].
func (t *Template) traversalRef(item hcl.Expression, ctx *hcl.EvalContext) ([]string, hcl.Diagnostics, bool) {
	var key hcl.Expression
	if e, ok := item.(*hclsyntax.IndexExpr); ok {
		item, key = e.Collection, e.Key
	}
	tr, ds := hcl.AbsTraversalForExpr(item)
	if ds.HasErrors() || tr.RootName() != "source" || len(tr) < 3 {
		return nil, nil, false
	}
	ref := stepName(tr, 1) + "." + stepName(tr, 2)
	if len(tr) > 3 && stepName(tr, 3) != "" {
		return []string{ref + `["` + stepName(tr, 3) + `"]`}, nil, true
	}
	if key == nil {
		return []string{ref}, nil, true
	}
	k, diags := t.evalTo(cty.String, key, ctx)
	if diags.HasErrors() || !k.IsKnown() {
		return nil, diags, true
	}
	return []string{ref + `["` + k.AsString() + `"]`}, diags, true
}

// Decode sets dst, a builder's configuration, to the source's options.
func (s *Source) Decode(sc Scope, dst any) (*Decoded, hcl.Diagnostics) {
	sc.Source = s
	return sc.decode(decodeInput{what: "source " + quote(s.Type), at: s.Range, bodies: s.bodies, isSource: true}, dst)
}
