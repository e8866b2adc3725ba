package lang

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
)

// mostNearest is how often a nearest name is looked for. Who has more errors
// than that has another trouble than slips, and each is compared with all names.
const mostNearest = 200

// nearest returns the name that name is most likely a slip of, or "".
func (t *Template) nearest(name string, known func() []string) string {
	if t.nearests.Add(1) > mostNearest {
		return ""
	}
	return component.Nearest(name, known())
}

// namesOf returns the names of a map, in order.
func namesOf[V any](m map[string]V) func() []string {
	return func() []string { return slices.Sorted(maps.Keys(m)) }
}

// mostListed is up to how many names are listed where none is near.
const mostListed = 8

// suggestAttribute adds what the name of an attribute that there is not may be
// a slip of, or which there are.
func (t *Template) suggestAttribute(d *hcl.Diagnostic) {
	if d.Summary != "Unsupported attribute" || d.Subject == nil || d.EvalContext == nil {
		return
	}
	var of cty.Value
	var steps hcl.Traversal
	switch e := d.Expression.(type) {
	case *hclsyntax.ScopeTraversalExpr:
		of, _ = e.Traversal[:1].TraverseAbs(d.EvalContext)
		steps = e.Traversal[1:]
	case *hclsyntax.RelativeTraversalExpr:
		of, _ = e.Source.Value(d.EvalContext)
		steps = e.Traversal
	}
	for _, step := range steps {
		of, _ = of.Unmark()
		attr, named := step.(hcl.TraverseAttr)
		if named && of.Type().IsObjectType() && !of.Type().HasAttribute(attr.Name) {
			names := attributesOf(of)
			if near := t.nearest(attr.Name, names); near != "" {
				d.Detail += fmt.Sprintf(" Did you mean %q?", near)
			} else if all := names(); len(all) > 0 && len(all) <= mostListed {
				d.Detail += " There are: " + strings.Join(all, ", ") + "."
			}
			return
		}
		of, _ = step.TraversalStep(of)
	}
}

func attributesOf(v cty.Value) func() []string { return namesOf(v.Type().AttributeTypes()) }
