package lang

import (
	"maps"
	"slices"

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

func attributesOf(v cty.Value) func() []string { return namesOf(v.Type().AttributeTypes()) }
