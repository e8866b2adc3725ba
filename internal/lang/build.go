package lang

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
)

// Build is a build block: sources, and what is done with each of them.
type Build struct {
	Name, Description string
	Range             hcl.Range
	Sources           []*Source // distinct, in order
	Provisioners      []*Provisioner
	ErrorCleanup      *Provisioner       // nil where there is none
	PostProcessors    [][]*PostProcessor // chains; a single post-processor is a chain of one
	Checkpoints       *Checkpoints       // nil where there is no such block
	Tests             []*Test
	Publish           *Publish // nil where there is none

	byRef map[string]*Source // the sources by "type.localname"
}

// Address names the build of a source: "[name.]type.localname", and in a
// template as they were before HCL2 the builder's name.
func (b *Build) Address(s *Source) string {
	if s.legacy {
		return s.LocalName
	}
	if b.Name != "" {
		return b.Name + "." + s.Type + "." + s.LocalName
	}
	return s.Type + "." + s.LocalName
}

type buildAttrs struct {
	Name        string `hcl:"name,optional"`
	Description string `hcl:"description,optional"`
}

// inBuild are the blocks that dynamic may stand for.
func inBuild() []hcl.BlockHeaderSchema {
	typ := []string{"type"}
	return []hcl.BlockHeaderSchema{
		{Type: "source", LabelNames: []string{"source"}}, {Type: "provisioner", LabelNames: typ},
		{Type: "error-cleanup-provisioner", LabelNames: typ}, {Type: "post-processor", LabelNames: typ}, {Type: "post-processors"},
		{Type: "test", LabelNames: []string{"name"}},
	}
}

func dynamicHeader() hcl.BlockHeaderSchema {
	return hcl.BlockHeaderSchema{Type: "dynamic", LabelNames: []string{"type"}}
}

func (t *Template) loadBuild(block *hcl.Block) hcl.Diagnostics {
	c, diags := component.Content(block.Body, &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "name"}, {Name: "description"}, {Name: "sources"}, {Name: "for_each"}},
		Blocks: append(inBuild(), dynamicHeader(),
			hcl.BlockHeaderSchema{Type: "publish"}, hcl.BlockHeaderSchema{Type: "checkpoint"}, hcl.BlockHeaderSchema{Type: "from", LabelNames: []string{"type"}}, hcl.BlockHeaderSchema{Type: "hcp_packer_registry"}),
	}, "build")
	for _, from := range c.Blocks.OfType("from") {
		diags = append(diags, warningAt(from.DefRange, "from has no effect", "Packer does nothing with it either. The sources of a build are in sources."))
	}
	c.Blocks = slices.DeleteFunc(c.Blocks, func(b *hcl.Block) bool { return b.Type == "from" })
	diags = append(diags, needsSource(block, c)...)
	a := c.Attributes["for_each"]
	if a == nil {
		return append(diags, t.addBuild(block, c, instance{})...)
	}
	list, ds := t.instances(a.Expr)
	diags = append(diags, ds...)
	first := len(t.Builds)
	for _, i := range list {
		diags = append(diags, t.addBuild(block, c, i)...)
	}
	return append(diags, sameName(t.Builds[first:], c.Attributes["name"])...)
}

// needsSource is an error where a build names no source at all.
func needsSource(block *hcl.Block, c *hcl.BodyContent) hcl.Diagnostics {
	if a := c.Attributes["sources"]; a != nil {
		if items, ds := hcl.ExprList(a.Expr); ds.HasErrors() || len(items) > 0 {
			return nil
		}
	}
	for _, b := range c.Blocks {
		if b.Type == "source" || b.Type == "dynamic" && b.Labels[0] == "source" {
			return nil
		}
	}
	return hcl.Diagnostics{errorAt(block.DefRange, "A build without a source", `Name one at least: sources = ["source.TYPE.NAME"].`)}
}

// sameName is an error where the builds of a for_each can't be told apart.
func sameName(builds []*Build, name *hcl.Attribute) hcl.Diagnostics {
	seen := map[string]bool{}
	for _, b := range builds {
		if seen[b.Name] {
			return hcl.Diagnostics{errorAt(name.Expr.Range(), "Builds of the same name", fmt.Sprintf("for_each makes several builds that are called %q. Put each.key into the name, or leave it out: it is the key then.", b.Name))}
		}
		seen[b.Name] = true
	}
	return nil
}

// addBuild adds a build, or one of those that its for_each makes.
func (t *Template) addBuild(block *hcl.Block, c *hcl.BodyContent, i instance) hcl.Diagnostics {
	b := &Build{Range: block.DefRange}
	attrs := buildAttrs{Name: i.key}
	diags := t.meta(block.Body, i.around, "build", block.DefRange, &attrs)
	b.Name, b.Description = attrs.Name, attrs.Description
	if name := c.Attributes["name"]; name != nil && strings.ContainsFunc(b.Name, unicode.IsControl) {
		diags = append(diags, errorAt(name.Expr.Range(), "Wrong name of a build", "It stands before each line of output, so it has no line breaks and other control characters."))
	}
	if a := c.Attributes["sources"]; a != nil {
		list, ds := t.sourceRefs(a.Expr, i.around)
		diags = append(diags, ds...)
		for _, s := range list {
			b.add(s)
		}
	}
	expanded, ds := t.expand(c.Blocks, inBuild(), i.around)
	diags = append(diags, ds...)
	for _, e := range expanded {
		diags = append(diags, t.addToBuild(b, e)...)
	}
	t.Builds = append(t.Builds, b)
	return append(diags, b.markCheckpoints()...)
}

// add adds a source. It returns the one of that name where there is one already.
func (b *Build) add(s *Source) (first *Source) {
	ref := s.Type + "." + s.LocalName
	if first := b.byRef[ref]; first != nil {
		return first
	}
	if b.byRef == nil {
		b.byRef = map[string]*Source{}
	}
	b.byRef[ref] = s
	s.in = b.Name
	s.setValues()
	b.Sources = append(b.Sources, s)
	return nil
}

// expandedBlock is a block with the iterators of the dynamic blocks around it.
type expandedBlock struct {
	*hcl.Block
	around []iteration
}

// expand writes out dynamic blocks, in both forms.
func (t *Template) expand(blocks hcl.Blocks, headers []hcl.BlockHeaderSchema, around []iteration) ([]expandedBlock, hcl.Diagnostics) {
	var uses map[string]bool
	in := func(form Form) component.EvalFunc {
		return func(e hcl.Expression, vars map[string]cty.Value) (cty.Value, hcl.Diagnostics) {
			t.addUses(uses, e.Variables(), around)
			ctx := t.context(form, nil, false, around)
			if vars != nil {
				ctx = ctx.NewChild()
				ctx.Variables = vars
			}
			return t.eval(form, e, ctx)
		}
	}
	var out []expandedBlock
	var diags hcl.Diagnostics
	for _, b := range blocks {
		one := hcl.Blocks{b}
		uses = map[string]bool{}
		real, ds := component.Expand(one, headers, in(Real))
		diags = append(diags, ds...)
		var keyed []component.Block
		if b.Type == "dynamic" {
			keyed, _ = component.Expand(one, headers, in(Keyed))
		}
		iterations := keyedIterations(varsOf(real), varsOf(keyed), uses)
		for i, e := range real {
			x := expandedBlock{Block: e.Block, around: around}
			if e.Vars != nil {
				x.around = append(around[:len(around):len(around)], iterations[i])
			}
			out = append(out, x)
		}
	}
	return out, diags
}

func varsOf(blocks []component.Block) []map[string]cty.Value {
	out := make([]map[string]cty.Value, len(blocks))
	for i, b := range blocks {
		out[i] = b.Vars
	}
	return out
}

func (t *Template) addToBuild(b *Build, e expandedBlock) hcl.Diagnostics {
	switch e.Type {
	case "source":
		return t.addSource(b, e)
	case "provisioner":
		p, diags := t.provisioner(e)
		b.Provisioners = append(b.Provisioners, p)
		return diags
	case "error-cleanup-provisioner":
		if b.ErrorCleanup != nil {
			return hcl.Diagnostics{duplicate(e.DefRange, "block", e.Type, b.ErrorCleanup.Range)}
		}
		p, diags := t.provisioner(e)
		b.ErrorCleanup = p
		return diags
	case "test":
		return t.addTest(b, e)
	case "post-processor":
		p, diags := t.postProcessor(e)
		b.PostProcessors = append(b.PostProcessors, []*PostProcessor{p})
		return diags
	case "post-processors":
		chain, diags := t.chain(e)
		if len(chain) > 0 {
			b.PostProcessors = append(b.PostProcessors, chain)
		}
		return diags
	}
	if e.Type == "checkpoint" {
		if b.Checkpoints != nil {
			return hcl.Diagnostics{duplicate(e.DefRange, "block", e.Type, b.Checkpoints.Range)}
		}
		c, diags := t.checkpoints(e.Block, e.around)
		b.Checkpoints = c
		return diags
	}
	if b.Publish != nil {
		return hcl.Diagnostics{duplicate(e.DefRange, "block", e.Type, b.Publish.Range)}
	}
	p, diags := t.publish(e.Block, e.around)
	b.Publish = p
	return diags
}

type sourceAttrs struct {
	Name string `hcl:"name,optional"`
}

// addSource adds a source that the build block names, and gives arguments to.
func (t *Template) addSource(b *Build, e expandedBlock) hcl.Diagnostics {
	var attrs sourceAttrs
	diags := t.meta(e.Body, e.around, "source", e.DefRange, &attrs)
	list, ds := t.newSources(e.Labels[0], attrs.Name, e.LabelRanges[0])
	diags = append(diags, ds...)
	for _, s := range list {
		if first := b.add(s); first != nil {
			return append(diags, errorAt(e.DefRange, fmt.Sprintf("Duplicate source %q", s.Type+"."+s.LocalName),
				fmt.Sprintf("The build has it from %s:%d already. Give one of them another name = \"…\".", first.Range.Filename, first.Range.Start.Line)))
		}
		s.Range = e.DefRange
		s.bodies = append(s.bodies, sourceBody{body: e.Body, around: e.around, ignore: []string{"name"}})
	}
	return diags
}

// meta decodes the arguments of a block that are not a component's.
func (t *Template) meta(body hcl.Body, around []iteration, what string, at hcl.Range, dst any) hcl.Diagnostics {
	_, diags := t.decoder.Decode(component.Input{
		What: what, Range: at, Partial: true,
		Parts: []component.Part{{Body: body, Context: t.context(Real, nil, false, around)}},
		Eval:  t.inClear(what),
	}, dst)
	return diags
}

// inClear evaluates what is stored in clear with the versions.
func (t *Template) inClear(what string) func(hcl.Expression, *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	return func(e hcl.Expression, ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
		v, diags := t.eval(Real, e, ctx)
		if has(marksOf(v), sensitive) {
			return cty.DynamicVal, append(diags, errorAt(e.Range(), "Sensitive value in "+what, "It would be stored in clear with each version."))
		}
		return v, diags
	}
}
