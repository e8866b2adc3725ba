package lang

import (
	"fmt"
	"path"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/component"
)

// SandboxImage is what stands for public images of the clouds in the sandbox:
// block image in block sandbox. Either Suite or OCI is set.
type SandboxImage struct {
	Range    hcl.Range
	Pattern  string // as of path.Match, for ids, names, families and filters
	Suite    string // a Debian release, made with mmdebstrap
	Mirror   string
	Packages []string
	OCI      string // an image with sshd: a reference, or "oci-layout:DIR[:TAG]"
	User     string // who gets the key pair; "" is the usual names
}

type sandboxAttrs struct {
	Suite    string   `hcl:"suite,optional"`
	Mirror   string   `hcl:"mirror,optional"`
	Packages []string `hcl:"packages,optional"`
	OCI      string   `hcl:"oci,optional"`
	User     string   `hcl:"user,optional"`
}

// loadSandbox reads the sandbox blocks. Data sources may be read there, so that
// nothing in them can depend on one.
func (t *Template) loadSandbox(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	first := map[string]hcl.Range{}
	for _, b := range blocks.OfType("sandbox") {
		c, ds := component.Content(b.Body, &hcl.BodySchema{Blocks: []hcl.BlockHeaderSchema{
			{Type: "image", LabelNames: []string{"pattern"}}}}, "sandbox")
		diags = append(diags, ds...)
		for _, img := range c.Blocks {
			if at, ok := first[img.Labels[0]]; ok {
				diags = append(diags, duplicate(img.DefRange, "image", img.Labels[0], at))
				continue
			}
			first[img.Labels[0]] = img.DefRange
			diags = append(diags, t.sandboxImage(img)...)
		}
	}
	return diags
}

func (t *Template) sandboxImage(b *hcl.Block) hcl.Diagnostics {
	var a sandboxAttrs
	diags := t.constants(b)
	diags = append(diags, t.whole(b, nil, &a)...)
	if _, err := path.Match(b.Labels[0], ""); err != nil || b.Labels[0] == "" {
		diags = append(diags, errorAt(b.LabelRanges[0], "Not a pattern", fmt.Sprintf(`Write it like "ubuntu/images/*", not %q.`, b.Labels[0])))
	}
	switch {
	case diags.HasErrors():
		return diags
	case (a.Suite == "") == (a.OCI == ""):
		return append(diags, errorAt(b.DefRange, "What the image is is missing", `Set either suite, a Debian release, or oci, an image with sshd.`))
	case a.OCI != "" && (a.Mirror != "" || len(a.Packages) > 0):
		return append(diags, errorAt(b.DefRange, "mirror and packages belong to suite", "An OCI image is taken as it is."))
	}
	t.Sandbox = append(t.Sandbox, SandboxImage{b.DefRange, b.Labels[0], a.Suite, a.Mirror, a.Packages, a.OCI, a.User})
	return diags
}

// constants refuses locals and data.
func (t *Template) constants(b *hcl.Block) hcl.Diagnostics {
	var diags hcl.Diagnostics
	attrs, _ := b.Body.JustAttributes()
	for _, a := range inOrder(attrs) {
		for _, tr := range a.Expr.Variables() {
			if root := tr.RootName(); root == "local" || root == "data" {
				diags = append(diags, errorAt(tr.SourceRange(), root+".* is not known here",
					"The sandbox is set up before locals and data sources: use variables."))
			}
		}
	}
	return diags
}
