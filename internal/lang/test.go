package lang

import (
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/component"
)

// expect is the type of the provisioner that may be written as a block of its
// own in a test.
const expect = "expect"

// Test is a test block of a build: what is run on a fresh machine that begins
// with the image that was baked.
type Test struct {
	Name         string
	Range        hcl.Range
	Only, Except []string // builds: "type.localname" or "localname"
	KeepFailed   bool     // the image stays where the test fails
	Provisioners []*Provisioner
}

type testAttrs struct {
	Only       []string `hcl:"only,optional"`
	Except     []string `hcl:"except,optional"`
	KeepFailed *bool    `hcl:"keep_failed,optional"`
}

// AppliesTo reports whether only and except let it run for s.
func (x *Test) AppliesTo(s *Source) bool { return appliesTo(x.Only, x.Except, s) }

func inTest() []hcl.BlockHeaderSchema {
	return []hcl.BlockHeaderSchema{{Type: "provisioner", LabelNames: []string{"type"}}, {Type: expect}}
}

func (t *Template) addTest(b *Build, e expandedBlock) hcl.Diagnostics {
	x := &Test{Name: e.Labels[0], Range: e.DefRange}
	if i := slices.IndexFunc(b.Tests, func(other *Test) bool { return other.Name == x.Name }); i >= 0 {
		first := b.Tests[i].Range
		return hcl.Diagnostics{errorAt(e.DefRange, fmt.Sprintf("Duplicate test %q", x.Name),
			fmt.Sprintf("The build has it at %s:%d already. Give one of them another name.", first.Filename, first.Start.Line))}
	}
	b.Tests = append(b.Tests, x)
	c, diags := component.Content(e.Body, &hcl.BodySchema{
		Attributes: []hcl.AttributeSchema{{Name: "only"}, {Name: "except"}, {Name: "keep_failed"}},
		Blocks:     append(inTest(), dynamicHeader()),
	}, "test "+quote(x.Name))
	var a testAttrs
	diags = append(diags, t.meta(e.Body, e.around, "test "+quote(x.Name), e.DefRange, &a)...)
	diags = append(diags, exclusive(e.DefRange, a.Only, a.Except)...)
	x.Only, x.Except, x.KeepFailed = a.Only, a.Except, a.KeepFailed == nil || *a.KeepFailed
	blocks, ds := t.expand(c.Blocks, inTest(), e.around)
	diags = append(diags, ds...)
	for _, block := range blocks {
		if block.Type == expect {
			named := *block.Block
			named.Labels, named.LabelRanges = []string{expect}, []hcl.Range{block.TypeRange}
			block.Block = &named
		}
		p, ds := t.provisioner(block)
		diags = append(diags, ds...)
		if p.Checkpoint {
			diags = append(diags, errorAt(p.Range, "checkpoint has no place here", "A test has a machine of its own, of which no image is made."))
		}
		x.Provisioners = append(x.Provisioners, p)
	}
	if len(x.Provisioners) == 0 && len(blocks) == len(c.Blocks) && !diags.HasErrors() {
		diags = append(diags, errorAt(e.DefRange, fmt.Sprintf("The test %q looks at nothing", x.Name), "Give it a block expect, or provisioners."))
	}
	return diags
}

// checkTests refuses tests that name builds which the template does not have:
// with a slip in only, an image would be let pass untested.
func (t *Template) checkTests() hcl.Diagnostics {
	var names []string
	for _, b := range t.Builds {
		for _, s := range b.Sources {
			names = append(names, s.Names()...)
		}
	}
	var diags hcl.Diagnostics
	check := func(what string, at hcl.Range, named []string) {
		for _, name := range named {
			if slices.Contains(names, name) {
				continue
			}
			detail := what + " is for builds by their type and name, such as " + names[len(names)-1] + "."
			if near := component.Nearest(name, names); near != "" {
				detail = fmt.Sprintf("Did you mean %q?", near)
			}
			diags = append(diags, errorAt(at, fmt.Sprintf("No build %q", name), detail))
		}
	}
	for _, b := range t.Builds {
		if len(b.Sources) == 0 { // which is an error already
			continue
		}
		for _, x := range b.Tests {
			check("The test "+quote(x.Name), x.Range, slices.Concat(x.Only, x.Except))
			for _, p := range x.Provisioners {
				check("The provisioner "+quote(p.Type), p.Range, slices.Concat(p.Only, p.Except))
			}
		}
	}
	return diags
}
