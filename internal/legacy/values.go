package legacy

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
)

// Values reads a file of values for the variables of a JSON template: an
// object of text. Numbers, true and false are taken as the text that they
// are written with.
func Values(name string, src []byte) ([]Given, hcl.Diagnostics) {
	r := &reader{}
	root := r.parse(name, src)
	if root == nil {
		return nil, r.diags
	}
	if root.kind != object {
		r.fail(root.at, "No values", "A file of values for a JSON template is an object, not %s.", root.kind)
		return nil, r.diags
	}
	var out []Given
	for _, f := range root.fields {
		switch f.value.kind {
		case text:
			out = append(out, Given{Name: f.name, Text: f.value.text(), Source: name, Range: f.value.at})
		case number, boolean:
			out = append(out, Given{Name: f.name, Text: string(f.value.whole.SliceBytes(src)), Source: name, Range: f.value.at})
		default:
			r.fail(f.value.at, fmt.Sprintf("Wrong value for variable %q", f.name), "The variables of a JSON template are text; this is %s.", f.value.kind)
		}
	}
	return out, r.diags
}
