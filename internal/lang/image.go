package lang

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
)

// takeImage checks what images an option gets: those of builders that it can
// use. It notes the one that the source starts from.
func (r *recorder) takeImage(o component.Option, v cty.Value) hcl.Diagnostics {
	if !r.isSource {
		return nil
	}
	t := r.engine.t
	addresses := t.family.addresses(r.marks)
	for _, address := range addresses {
		if d := t.unfit(o, address); d != nil {
			return hcl.Diagnostics{d}
		}
	}
	if o.Field.Image == "" || o.Path != o.Field.Name { // the first image has no block around it
		r.more = r.more || len(addresses) > 0
		return nil
	}
	text, _ := v.Unmark()
	if text.Type() != cty.String || !text.IsKnown() || text.IsNull() {
		return nil
	}
	image := text.AsString()
	names := op.Tokens(image)
	switch {
	case len(names) == 0:
		r.images = append(r.images, image)
	case image == op.Token(names[0]):
		r.parent = t.family.byToken[names[0]]
	default:
		return hcl.Diagnostics{errorAt(o.Expr.Range(), fmt.Sprintf("Wrong value for %q", o.Path), "Nothing but the id of the other build's image may be there.")}
	}
	return nil
}

// unfit is an error where an option can't take the image of a build.
func (t *Template) unfit(o component.Option, address string) *hcl.Diagnostic {
	if o.Field.Image == "" {
		return nil
	}
	typ, can := t.family.builds[address][0].Type, strings.Fields(o.Field.Image)
	switch {
	case can[0] == "-":
		return errorAt(o.Expr.Range(), fmt.Sprintf("%q can't take the image of another build", o.Path), fmt.Sprintf("Write %s = build.%s.id.", can[1], address))
	case !slices.Contains(can, typ):
		return errorAt(o.Expr.Range(), fmt.Sprintf("%s makes no image for %q", address, o.Path),
			fmt.Sprintf("It is a build of %q. The image has to be of %s.", typ, strings.Join(can, " or ")))
	}
	return nil
}

// ImagesIn returns the addresses of the builds whose images are named in texts,
// sorted.
func (t *Template) ImagesIn(texts map[string]string) []string {
	var out []string
	for _, text := range texts {
		for _, name := range op.Tokens(text) {
			if address := t.family.byToken[name]; address != "" && !slices.Contains(out, address) {
				out = append(out, address)
			}
		}
	}
	slices.Sort(out)
	return out
}

// worksOnImage reports whether an expression that failed would not have, were
// it not for a token.
func (t *Template) worksOnImage(expr hcl.Expression, ctx *hcl.EvalContext) bool {
	if !namesBuild(expr) || !ofImages(ctx) {
		return false
	}
	child := ctx.NewChild()
	child.Variables = map[string]cty.Value{"build": t.family.root.object(func(string) cty.Value { return cty.UnknownVal(cty.String) })}
	_, diags := expr.Value(child)
	return !diags.HasErrors()
}
