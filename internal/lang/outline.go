package lang

import (
	"github.com/hashicorp/hcl/v2"
)

// Outline is what a template asks for, read without evaluating it.
type Outline struct {
	Files   map[string]*hcl.File // for hcl.NewDiagnosticTextWriter
	Plugins []Plugin             // required_plugins, in order
	Uses    []Use                // in order
}

// Use is a block with a component.
type Use struct {
	Kind, Type string // Kind is "source", "data", "provisioner" or "post-processor"
	Range      hcl.Range
}

// ReadOutline reads a template. It reports what can be found to be wrong
// without evaluating more than the variables it declares, for which nothing
// need be given. The Outline is never nil.
func ReadOutline(opt Options) (*Outline, hcl.Diagnostics) {
	opt.SyntaxOnly, opt.Valueless = true, true
	t := &Template{Path: opt.Path, Files: map[string]*hcl.File{}, options: opt, vars: map[string]*Variable{}}
	blocks, whole, diags := t.read()
	if !whole {
		return &Outline{Files: t.Files}, diags
	}
	diags = append(diags, t.checkPacker(blocks)...)
	diags = append(diags, t.loadVariables(blocks)...)
	diags = append(diags, checkDuplicates(blocks)...)
	o := &Outline{Files: t.Files, Plugins: t.plugins}
	for _, b := range blocks {
		switch b.Type {
		case "source", "data":
			o.Uses = append(o.Uses, Use{b.Type, b.Labels[0], b.DefRange})
		case "build":
			o.addUses(b.Body)
		}
	}
	return o, t.finish(diags)
}

// addUses adds the components that a build block, or one in it, has.
func (o *Outline) addUses(body hcl.Body) {
	typ := []string{"type"}
	c, _, _ := body.PartialContent(&hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
		{Type: "provisioner", LabelNames: typ}, {Type: "error-cleanup-provisioner", LabelNames: typ},
		{Type: "post-processor", LabelNames: typ}, {Type: "post-processors"}, {Type: "test", LabelNames: []string{"name"}},
	}})
	for _, b := range c.Blocks {
		switch b.Type {
		case "post-processors", "test":
			o.addUses(b.Body)
		case "error-cleanup-provisioner":
			o.Uses = append(o.Uses, Use{"provisioner", b.Labels[0], b.DefRange})
		default:
			o.Uses = append(o.Uses, Use{b.Type, b.Labels[0], b.DefRange})
		}
	}
}

// Parse parses a file of a template, or of values for variables. Where it is
// wrong, the first error is told. The file is never nil, for diagnostics.
func Parse(name string, src []byte) (*hcl.File, hcl.Diagnostics) {
	t := &Template{Files: map[string]*hcl.File{}}
	_, diags := t.parse(name, src)
	return t.Files[name], diags
}
