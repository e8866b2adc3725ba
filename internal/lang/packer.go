package lang

import (
	"fmt"
	"strings"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
)

// checkPacker checks what the blocks packer ask for. The components are built
// in, so that required_plugins are read for their form only.
func (t *Template) checkPacker(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	for _, b := range blocks.OfType("packer") {
		c, ds := component.Content(b.Body, &hcl.BodySchema{
			Attributes: []hcl.AttributeSchema{{Name: "required_version"}},
			Blocks:     []hcl.BlockHeaderSchema{{Type: "required_plugins"}},
		}, "packer")
		diags = append(diags, ds...)
		if a := c.Attributes["required_version"]; a != nil {
			diags = append(diags, t.checkVersion(a.Expr)...)
		}
		for _, p := range c.Blocks {
			attrs, ds := p.Body.JustAttributes()
			diags = append(diags, ds...)
			for _, a := range inOrder(attrs) {
				diags = append(diags, checkPlugin(a)...)
			}
		}
	}
	return diags
}

func constantText(expr hcl.Expression) (string, hcl.Diagnostics) {
	v, diags := expr.Value(nil)
	if diags.HasErrors() {
		return "", diags
	}
	if v.Type() != cty.String || v.IsNull() {
		return "", hcl.Diagnostics{errorAt(expr.Range(), "Wrong value", "A text is needed here.")}
	}
	return v.AsString(), diags
}

func (t *Template) checkVersion(expr hcl.Expression) hcl.Diagnostics {
	text, diags := constantText(expr)
	if diags.HasErrors() {
		return diags
	}
	want, err := version.NewConstraint(text)
	if err != nil {
		return hcl.Diagnostics{errorAt(expr.Range(), "Invalid required_version", `Write it like ">= 1.9.0, < 2.0.0".`)}
	}
	have, err := version.NewVersion(t.options.Version)
	if err != nil {
		return hcl.Diagnostics{errorAt(expr.Range(), "No version to check", sentence(err.Error()))}
	}
	if !want.Check(have) {
		return hcl.Diagnostics{errorAt(expr.Range(), "The template needs another version",
			fmt.Sprintf("It asks for Packer %s; ingot reads the language of Packer %s.", text, t.options.Version))}
	}
	return nil
}

func checkPlugin(a *hcl.Attribute) hcl.Diagnostics {
	pairs, diags := hcl.ExprMap(a.Expr)
	if diags.HasErrors() {
		return hcl.Diagnostics{errorAt(a.Expr.Range(), "Invalid required_plugins", fmt.Sprintf("Write %s = { source = \"…\", version = \"…\" }.", a.Name))}
	}
	for _, kv := range pairs {
		name := hcl.ExprAsKeyword(kv.Key)
		if name == "" {
			name, _ = constantText(kv.Key)
		}
		text, ds := constantText(kv.Value)
		diags = append(diags, ds...)
		switch {
		case ds.HasErrors():
		case name == "source" && strings.Count(text, "/") != 2:
			diags = append(diags, errorAt(kv.Value.Range(), "Invalid source of a plugin", `Write it like "github.com/hashicorp/amazon".`))
		case name == "version":
			if _, err := version.NewConstraint(text); err != nil {
				diags = append(diags, errorAt(kv.Value.Range(), "Invalid version of a plugin", `Write it like ">= 1.2.0".`))
			}
		case name != "source":
			diags = append(diags, errorAt(kv.Key.Range(), fmt.Sprintf("Unknown option %q", name), "A plugin has source and version."))
		}
	}
	return diags
}
