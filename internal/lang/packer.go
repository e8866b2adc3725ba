package lang

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/go-version"
	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
)

// checkPacker checks what the blocks packer ask for. The components are built
// in: a required plugin matters only where one of its components is used that
// is not there.
func (t *Template) checkPacker(blocks hcl.Blocks) hcl.Diagnostics {
	var diags hcl.Diagnostics
	seen := map[string]hcl.Range{}
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
				p, ds := plugin(a)
				diags = append(diags, ds...)
				if first, ok := seen[a.Name]; ok {
					diags = append(diags, duplicate(a.NameRange, "required plugin", a.Name, first))
				}
				seen[a.Name] = a.NameRange
				t.plugins = append(t.plugins, p)
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

// Plugin is one of required_plugins.
type Plugin struct {
	Name, Source, Version string // Name is the key; Version is "" where the template does not say
	Range                 hcl.Range
}

// plugin reads one of required_plugins.
func plugin(a *hcl.Attribute) (Plugin, hcl.Diagnostics) {
	p := Plugin{Name: a.Name, Range: a.Range}
	pairs, diags := hcl.ExprMap(a.Expr)
	if diags.HasErrors() {
		return p, hcl.Diagnostics{errorAt(a.Expr.Range(), "Invalid required_plugins", fmt.Sprintf("Write %s = { source = \"…\", version = \"…\" }.", a.Name))}
	}
	for _, kv := range pairs {
		name := hcl.ExprAsKeyword(kv.Key)
		if name == "" {
			name, _ = constantText(kv.Key)
		}
		if name != "source" && name != "version" {
			diags = append(diags, errorAt(kv.Key.Range(), fmt.Sprintf("Unknown option %q", name), "A plugin has source and version."))
			continue
		}
		text, ds := constantText(kv.Value)
		diags = append(diags, ds...)
		switch {
		case ds.HasErrors():
		case name == "source":
			p.Source = text
			diags = append(diags, checkPluginSource(text, kv.Value.Range())...)
		default:
			p.Version = text
			diags = append(diags, checkPluginVersion(text, kv.Value.Range())...)
		}
	}
	if p.Source == "" && !diags.HasErrors() {
		diags = append(diags, errorAt(a.Expr.Range(), "Invalid required_plugins", fmt.Sprintf("The plugin %s has no source, such as \"github.com/hashicorp/%s\".", a.Name, a.Name)))
	}
	return p, diags
}

func checkPluginSource(text string, at hcl.Range) hcl.Diagnostics {
	parts := strings.Split(text, "/")
	if len(parts) < 3 || slices.Contains(parts, "") || strings.ContainsAny(text, " \t:?#") {
		return hcl.Diagnostics{errorAt(at, "Invalid source of a plugin", `Write it like "github.com/hashicorp/amazon".`)}
	}
	if strings.HasPrefix(parts[len(parts)-1], "packer-plugin-") {
		return hcl.Diagnostics{errorAt(at, "Invalid source of a plugin", `Leave "packer-plugin-" out: "github.com/hashicorp/amazon" is that of packer-plugin-amazon.`)}
	}
	return nil
}

func checkPluginVersion(text string, at hcl.Range) hcl.Diagnostics {
	want, err := version.NewConstraint(text)
	if err != nil {
		return hcl.Diagnostics{errorAt(at, "Invalid version of a plugin", `Write it like ">= 1.2.0".`)}
	}
	for _, c := range want {
		if c.Prerelease() {
			return hcl.Diagnostics{errorAt(at, "Invalid version of a plugin", "A version that is required can't be a prerelease.")}
		}
	}
	return nil
}

// Plugin returns the required plugin that a component of this type would be
// from: one that is called as its first words are. False where there is none.
func (t *Template) Plugin(component string) (Plugin, bool) {
	for _, p := range t.plugins {
		for _, name := range []string{p.Name, path.Base(p.Source)} {
			if component == name || strings.HasPrefix(component, name+"-") {
				return p, true
			}
		}
	}
	return Plugin{}, false
}

// Uses returns the places of the blocks that name a component of this type.
// What is the block: "source", "provisioner" or "post-processor".
func (t *Template) Uses(what, typ string) []hcl.Range {
	var out []hcl.Range
	add := func(kind, name string, at hcl.Range) {
		if kind == what && name == typ && !slices.Contains(out, at) {
			out = append(out, at)
		}
	}
	for _, b := range t.Builds {
		for _, s := range b.Sources {
			add("source", s.Type, s.Range)
		}
		for _, p := range b.Provisioners {
			add("provisioner", p.Type, p.Range)
		}
		if p := b.ErrorCleanup; p != nil {
			add("provisioner", p.Type, p.Range)
		}
		for _, x := range b.Tests {
			for _, p := range x.Provisioners {
				add("provisioner", p.Type, p.Range)
			}
		}
		for _, chain := range b.PostProcessors {
			for _, p := range chain {
				add("post-processor", p.Type, p.Range)
			}
		}
	}
	return out
}
