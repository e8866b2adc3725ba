package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// standIns are what values of build.* may be: a list or an object that is made
// of tokens has to be that which is made of any of them.
var standIns = []string{"", " A,b;c:d|e/f.g-h_i=j@k\nl\tm~"}

// checkStructure is an error where a function makes a list or an object of
// build.* that would be another one if their values were known, as split(",",
// build.ID) is, or sort().
func (t *Template) checkStructure(expr hcl.Expression, ctx *hcl.EvalContext, v cty.Value) *hcl.Diagnostic {
	names := lateIn(expr, marksOf(v))
	if len(names) == 0 || v.Type().IsPrimitiveType() || !worksOnBuild(expr) {
		return nil
	}
	for _, text := range standIns {
		values := op.Values{}
		known, ok := withBuild(ctx, func(name string, _ cty.Value) cty.Value {
			values["build."+name] = secret.Plain(text)
			return cty.StringVal(text)
		})
		if !ok {
			return nil
		}
		want, diags := expr.Value(known)
		want, _ = want.UnmarkDeep()
		got, _ := bind(v, values).UnmarkDeep()
		if diags.HasErrors() || !got.RawEquals(want) {
			return errorAt(expr.Range(), "What is made of "+strings.Join(names, " and ")+" is no text",
				fmt.Sprintf("%s is known only while the build runs. A text that functions make of it is made then; which elements a list or an object has must be known before. Make a text of it, or work on it in the step itself.",
					strings.Join(names, " and ")))
		}
	}
	return nil
}

// makesStructure reports whether an expression that works on build.* gives a
// list or an object, as far as that can be told before the values are known.
func makesStructure(expr hcl.Expression, ctx *hcl.EvalContext) bool {
	known, ok := withBuild(ctx, func(string, cty.Value) cty.Value { return cty.StringVal(standIns[1]) })
	if !ok {
		return false
	}
	v, diags := expr.Value(known)
	ty := v.Type()
	return !diags.HasErrors() && ty != cty.DynamicPseudoType && !ty.IsPrimitiveType()
}

// lateIn returns the names of the late values in an expression,
// of those that its value has the marks of.
func lateIn(expr hcl.Expression, marks cty.ValueMarks) []string {
	var out []string
	for _, tr := range expr.Variables() {
		name := "build." + attrOf(tr)
		if tr.RootName() == "build" && has(marks, late(name)) && !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}
