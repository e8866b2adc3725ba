package plan

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/postprocessors"
)

// post checks the build's post-processors. -except drops the one it names and
// those after it in the same chain, as Packer does.
func (c *compiler) post(b *Build) ([][]Post, hcl.Diagnostics) {
	var chains [][]Post
	var diags hcl.Diagnostics
	for i, specs := range c.spec.PostProcessors {
		var chain []Post
		for _, spec := range specs {
			if matches(c.except, spec.Name) || matches(c.except, spec.Type) {
				break
			}
			if !spec.AppliesTo(c.src) {
				continue
			}
			def, diag := find(c.template, "post-processor", spec.Type, spec.Range, c.components.PostProcessors, func(d postprocessors.Definition) string { return d.Type })
			if diag != nil {
				diags = append(diags, diag)
				continue
			}
			p := Post{Name: fmt.Sprintf("%d.%d %s", i+1, len(chain)+1, spec.Type), Type: spec.Type, Def: def, Spec: spec, src: c.src}
			diags = append(diags, p.check(b)...)
			chain = append(chain, p)
		}
		if len(chain) > 0 {
			chains = append(chains, chain)
		}
	}
	return chains, diags
}

func (p Post) check(b *Build) hcl.Diagnostics {
	in := postprocessors.Input{BuildName: b.Name, BuilderType: b.Type, Dir: b.dir}
	proc, dec, diags := p.decode(nil, &in)
	if diags.HasErrors() {
		return diags
	}
	if err := proc.Check(in); err != nil && !dec.Excuses(err) {
		diags = append(diags, optionDiag(err, "post-processor "+quote(p.Type), dec.Range))
	}
	if k := p.Spec.KeepInput; k != nil && !*k {
		r := dec.Range("keep_input_artifact")
		diags = append(diags, &hcl.Diagnostic{Severity: hcl.DiagWarning, Subject: &r, Summary: "The input artifact stays",
			Detail: "keep_input_artifact = false has no effect: what a build made belongs to its version."})
	}
	return diags
}

// Open evaluates the options with the values that the build has by now, and
// completes in with what they are rendered with.
func (p Post) Open(values op.Values, in *postprocessors.Input) (postprocessors.Processor, error) {
	proc, _, diags := p.decode(values, in)
	if diags.HasErrors() {
		return nil, diags
	}
	return proc, nil
}

func (p Post) decode(values op.Values, in *postprocessors.Input) (postprocessors.Processor, *lang.Decoded, hcl.Diagnostics) {
	sc := lang.Scope{Form: lang.Real, Source: p.src, Values: values}
	in.Render = sc.Render
	proc := p.Def.New()
	dec, diags := p.Spec.Decode(sc, proc)
	return proc, dec, diags
}
