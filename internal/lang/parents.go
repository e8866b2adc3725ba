package lang

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/op"
)

// In the options of a source, build.[NAME.]TYPE.NAME.id is the image that
// another build of the template makes. Until it is there a token stands for it.

// imagePrefix begins the names of tokens for images.
const imagePrefix = "image."

// Parent is a build that a source takes the image of.
type Parent struct {
	Address string
	Range   hcl.Range // of the reference
}

// Parents returns the builds that the source's options take the images of,
// each once.
func (s *Source) Parents() []Parent { return s.parents }

// family are the builds of a template, as sources refer to them.
type family struct {
	root     *relation
	builds   map[string][]*Source // by address
	byToken  map[string]string    // addresses, by the names of tokens
	images   cty.Value            // build.*, with a token for each image
	mentions bool                 // the template may have references
}

// relation is a step of a reference, as "amazon-ebs" in build.amazon-ebs.web.
type relation struct {
	address string // of the build that the way here leads to, "" where it goes on
	next    map[string]*relation
}

func (r *relation) add(address string, steps ...string) {
	for _, s := range steps {
		if r.next == nil {
			r.next = map[string]*relation{}
		}
		if r.next[s] == nil {
			r.next[s] = &relation{}
		}
		r = r.next[s]
	}
	if r.address == "" {
		r.address = address
	}
}

// object is the value of build.*, with what image gives for each build.
func (r *relation) object(image func(address string) cty.Value) cty.Value {
	m := map[string]cty.Value{}
	for name, next := range r.next {
		m[name] = next.object(image)
	}
	if r.address != "" {
		m["id"] = image(r.address)
	}
	return cty.ObjectVal(m)
}

// loadParents finds out which builds start from which. It reports references
// to what is not there, and cycles.
func (t *Template) loadParents() hcl.Diagnostics {
	f := family{root: &relation{}, builds: map[string][]*Source{}, byToken: map[string]string{}}
	f.mentions = !t.legacy && slices.ContainsFunc(t.texts, func(text []byte) bool {
		return bytes.Contains(text, []byte("build.")) || bytes.Contains(text, []byte("build["))
	})
	for _, b := range t.Builds {
		for _, s := range b.Sources {
			s.address = b.Address(s)
			f.add(b, s)
		}
	}
	f.images = cty.EmptyObjectVal
	if f.mentions {
		f.images = f.root.object(imageToken)
	}
	t.family = f
	var diags hcl.Diagnostics
	for _, b := range t.Builds {
		for _, s := range b.Sources {
			if f.mentions {
				diags = append(diags, t.findParents(s)...)
			}
		}
	}
	return append(diags, t.cycles()...)
}

func (f *family) add(b *Build, s *Source) {
	f.builds[s.address] = append(f.builds[s.address], s)
	f.byToken[imageName(s.address)] = s.address
	var name []string
	if b.Name != "" {
		name = []string{b.Name}
	}
	f.root.add(s.address, append(name, s.Type, s.LocalName)...)
	if key, ok := strings.CutPrefix(s.LocalName, s.of+"-"); ok && s.of != "" {
		f.root.add(s.address, append(name, s.Type, s.of, key)...) // build.TYPE.NAME["key"], as in sources
	}
}

// imageName is the name of the token for a build's image.
func imageName(address string) string {
	return imagePrefix + strings.Map(func(r rune) rune {
		if r < 128 && (r == '-' || r == '.' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z') {
			return r
		}
		return '_'
	}, address)
}

func imageToken(address string) cty.Value {
	name := imageName(address)
	return cty.StringVal(op.Token(name)).Mark(late(name))
}

// sourceContext is context for the options of a source. Images are the ids of
// those that are known, by address.
func (t *Template) sourceContext(form Form, s *Source, images map[string]string, around []iteration) *hcl.EvalContext {
	ctx := t.context(form, s, false, nil).NewChild()
	ctx.Variables = map[string]cty.Value{"build": t.family.images}
	if len(images) > 0 {
		ctx.Variables["build"] = t.family.root.object(func(address string) cty.Value {
			if id, ok := images[address]; ok {
				return cty.StringVal(id)
			}
			return imageToken(address)
		})
	}
	for _, i := range around {
		ctx = ctx.NewChild()
		ctx.Variables = i.forms[form]
	}
	return ctx
}

// findParents sets the parents of a source.
func (t *Template) findParents(s *Source) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range s.bodies {
		ctx := t.sourceContext(Real, s, nil, b.around)
		for _, e := range expressions(b.body) {
			diags = append(diags, t.parentsIn(s, e, ctx)...)
		}
	}
	for _, p := range s.parents {
		switch {
		case p.Address == s.address:
			diags = append(diags, errorAt(p.Range, "A build can't start from its own image", fmt.Sprintf("This is a source of %s itself.", p.Address)))
		case len(t.family.builds[p.Address]) > 1:
			diags = append(diags, errorAt(p.Range, "Several builds are called "+p.Address, "Give their build blocks a name, and write build.NAME."+p.Address+".id."))
		}
	}
	return diags
}

// parentsIn adds the parents that an expression names: those of its value, or,
// where that can't be made yet, those that are written in it.
func (t *Template) parentsIn(s *Source, e hcl.Expression, ctx *hcl.EvalContext) hcl.Diagnostics {
	var diags hcl.Diagnostics
	written := map[string]hcl.Range{}
	for _, tr := range e.Variables() {
		address, d := t.parentAt(s, tr)
		if d != nil {
			diags = append(diags, d)
		}
		if address != "" {
			written[address] = tr.SourceRange()
		}
	}
	if diags.HasErrors() || !namesBuild(e) {
		return diags
	}
	names := slices.Sorted(maps.Keys(written))
	if v, ds := e.Value(ctx); !ds.HasErrors() && v.IsWhollyKnown() {
		names = t.family.addresses(marksOf(v))
	}
	for _, address := range names {
		at, ok := written[address]
		if !ok {
			at = e.Range()
		}
		if !slices.ContainsFunc(s.parents, func(p Parent) bool { return p.Address == address }) {
			s.parents = append(s.parents, Parent{address, at})
		}
	}
	return diags
}

// addresses are the builds whose images' tokens have marked a value, sorted.
func (f *family) addresses(marks cty.ValueMarks) []string {
	var out []string
	for m := range marks {
		if name, ok := m.(late); ok && f.byToken[string(name)] != "" {
			out = append(out, f.byToken[string(name)])
		}
	}
	slices.Sort(out)
	return out
}

// parentAt returns the address of the build that a reference of a source is
// to, "" where a part of it is computed.
func (t *Template) parentAt(s *Source, tr hcl.Traversal) (string, *hcl.Diagnostic) {
	if tr.RootName() != "build" || len(tr) < 2 {
		return "", nil
	}
	at, i := t.family.root, 1
	for ; i < len(tr) && at.next[stepName(tr, i)] != nil; i++ {
		at = at.next[stepName(tr, i)]
	}
	switch {
	case i == len(tr) && at.address == "":
		return "", nil
	case i == len(tr):
		return "", errorAt(tr.SourceRange(), "An image is named by its id", fmt.Sprintf("Write build.%s.id.", at.address))
	case at.address != "" && (stepName(tr, i) != "id" || i != len(tr)-1):
		return "", errorAt(tr.SourceRange(), "An image has its id only", fmt.Sprintf("Write build.%s.id.", at.address))
	case at.address != "":
		return at.address, nil
	}
	return "", t.noParent(s, tr)
}

// noParent says that there is no such build, and which one was perhaps meant.
func (t *Template) noParent(s *Source, tr hcl.Traversal) *hcl.Diagnostic {
	if name := attrOf(tr); s != nil && len(tr) == 2 && s.build[Real].Type().HasAttribute(name) {
		return errorAt(tr.SourceRange(), "build."+name+" is not known here",
			"It is known in provisioners and post-processors only. In a source, build.[NAME.]TYPE.NAME.id is the image of another build.")
	}
	var steps []string
	for i := 1; i < len(tr); i++ {
		if n := stepName(tr, i); n != "id" || i < len(tr)-1 {
			steps = append(steps, n)
		}
	}
	name := strings.Join(steps, ".")
	detail := fmt.Sprintf("The template has no build %q.", name)
	if near := t.nearest(name, namesOf(t.family.builds)); near != "" {
		detail += fmt.Sprintf(" Did you mean build.%s.id?", near)
	}
	return errorAt(tr.SourceRange(), "Unknown build "+name, detail)
}

// misplaced is an error where a reference is right, and not in a source. Before
// there are builds it knows of none.
func (t *Template) misplaced(tr hcl.Traversal, ctx *hcl.EvalContext) *hcl.Diagnostic {
	if t.family.root == nil || ofImages(ctx) {
		return nil
	}
	if address, d := t.parentAt(nil, tr); d == nil && address != "" {
		return errorAt(tr.SourceRange(), "build."+address+".id can be used in a source only",
			"The image of another build is what a source starts from. What the steps need of it they find on the machine.")
	}
	return nil
}

// ofImages reports whether build.* are the images of builds there.
func ofImages(ctx *hcl.EvalContext) bool {
	for c := ctx; c != nil; c = c.Parent() {
		if b, ok := c.Variables["build"]; ok {
			return b.Type().IsObjectType() && !b.Type().HasAttribute("PackerRunUUID")
		}
	}
	return false
}

// hasWrongParent reports whether a reference is wrong. Load has said so.
func (t *Template) hasWrongParent(s *Source, refs []hcl.Traversal) bool {
	return slices.ContainsFunc(refs, func(tr hcl.Traversal) bool {
		_, d := t.parentAt(s, tr)
		return d != nil
	})
}

// cycles reports builds that start from themselves by way of others, each
// cycle once.
func (t *Template) cycles() hcl.Diagnostics {
	var diags hcl.Diagnostics
	const under, done = 1, 2
	state := map[string]int{}
	var visit func(address string, path []Parent)
	visit = func(address string, path []Parent) {
		state[address] = under
		for _, p := range t.family.builds[address][0].parents {
			way := append(path[:len(path):len(path)], p)
			switch {
			case p.Address == address: // which is an error already
			case state[p.Address] == under:
				diags = append(diags, cycle(way))
			case state[p.Address] == 0:
				visit(p.Address, way)
			}
		}
		state[address] = done
	}
	for _, b := range t.Builds {
		for _, s := range b.Sources {
			if state[s.address] == 0 {
				visit(s.address, []Parent{{Address: s.address}})
			}
		}
	}
	return diags
}

// cycle is the error of a way that ends at a build which it has been at.
func cycle(way []Parent) *hcl.Diagnostic {
	last := way[len(way)-1]
	first := slices.IndexFunc(way, func(p Parent) bool { return p.Address == last.Address })
	var names []string
	for _, p := range way[first:] {
		names = append(names, p.Address)
	}
	return errorAt(last.Range, "Cycle of builds", "Each starts from the next one's image: "+strings.Join(names, " → ")+".")
}

// expressions are those of all options in a body.
func expressions(body hcl.Body) []hcl.Expression {
	var out []hcl.Expression
	native, ok := body.(*hclsyntax.Body)
	if !ok {
		attrs, _ := body.JustAttributes()
		for _, a := range inOrder(attrs) {
			out = append(out, a.Expr)
		}
		return out
	}
	_ = hclsyntax.VisitAll(native, func(n hclsyntax.Node) hcl.Diagnostics {
		if a, ok := n.(*hclsyntax.Attribute); ok {
			out = append(out, a.Expr)
		}
		return nil
	})
	return out
}
