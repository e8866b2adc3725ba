package lang

import (
	"sync/atomic"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// bound makes the loops and the arithmetic in a tree of expressions keep to
// the bounds. It refuses numbers that are beyond them.
func bound(n hclsyntax.Node) hcl.Diagnostics { return hclsyntax.Walk(n, &boundWalker{}) }

// boundWalker puts checks around what loops go through and make, and around
// what is computed with.
type boundWalker struct{ loops []*budget } // of the loops around

func (w *boundWalker) Enter(n hclsyntax.Node) hcl.Diagnostics {
	switch e := n.(type) {
	case *hclsyntax.ForExpr:
		b, outer := &budget{}, len(w.loops) == 0
		if !outer {
			b = w.loops[len(w.loops)-1]
		}
		w.loops = append(w.loops, b)
		e.CollExpr = &turns{paren(e.CollExpr), b, outer}
		e.ValExpr = &made{paren(e.ValExpr), b}
	case *hclsyntax.BinaryOpExpr:
		if isArithmetic(e.Op) {
			e.LHS, e.RHS = &operand{paren(e.LHS)}, &operand{paren(e.RHS)}
		}
	case *hclsyntax.UnaryOpExpr:
		if isArithmetic(e.Op) {
			e.Val = &operand{paren(e.Val)}
		}
	case *hclsyntax.LiteralValueExpr:
		if e.Val.Type() == cty.Number && e.Val.IsKnown() && !e.Val.IsNull() && checkNumber(e.Val.AsBigFloat()) != nil {
			return hcl.Diagnostics{errorAt(e.SrcRange, "Too large a number", sentence(errNumber.Error()))}
		}
	}
	return nil
}

func (w *boundWalker) Exit(n hclsyntax.Node) hcl.Diagnostics {
	if _, ok := n.(*hclsyntax.ForExpr); ok {
		w.loops = w.loops[:len(w.loops)-1]
	}
	return nil
}

func isArithmetic(op *hclsyntax.Operation) bool { return op.Type == cty.Number }

// paren is how a check stands in the tree: walks go through it.
func paren(e hclsyntax.Expression) *hclsyntax.ParenthesesExpr {
	return &hclsyntax.ParenthesesExpr{Expression: e, SrcRange: e.Range()}
}

// budget is what the loops of an expression have used. Where several
// goroutines evaluate it at once it is not exact, which is no matter.
type budget struct {
	turns, text, parts atomic.Int64
	spent              atomic.Bool // it was said that there is too much
}

func (b *budget) reset() {
	b.turns.Store(0)
	b.text.Store(0)
	b.parts.Store(0)
	b.spent.Store(false)
}

// spend ends the loops; it is told once.
func (b *budget) spend(err error, at hcl.Range) (cty.Value, hcl.Diagnostics) {
	if b.spent.Swap(true) {
		return cty.DynamicVal, nil
	}
	return cty.DynamicVal, hcl.Diagnostics{errorAt(at, "Too large a value", sentence(err.Error()))}
}

// turns is what a loop goes through.
type turns struct {
	*hclsyntax.ParenthesesExpr
	budget *budget
	outer  bool
}

// Value counts the turns that the loop will take.
func (e *turns) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if e.outer {
		e.budget.reset()
	} else if e.budget.spent.Load() {
		return cty.DynamicVal, nil
	}
	v, diags := e.Expression.Value(ctx)
	plain, _ := v.Unmark()
	if plain.IsKnown() && !plain.IsNull() && plain.CanIterateElements() && e.budget.turns.Add(int64(plain.LengthInt())) > mostParts {
		out, ds := e.budget.spend(errTurns, e.Range())
		return out, append(diags, ds...)
	}
	return v, diags
}

// made is what a loop makes in each turn.
type made struct {
	*hclsyntax.ParenthesesExpr
	budget *budget
}

// Value measures what is made.
func (e *made) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	if e.budget.spent.Load() {
		return cty.DynamicVal, nil
	}
	v, diags := e.Expression.Value(ctx)
	s, err := sizeOf(v)
	if err == nil {
		err = size{int(e.budget.text.Add(int64(s.text))), int(e.budget.parts.Add(int64(s.parts)))}.over()
	}
	if err != nil {
		out, ds := e.budget.spend(err, e.Range())
		return out, append(diags, ds...)
	}
	return v, diags
}

// operand is what is computed with.
type operand struct{ *hclsyntax.ParenthesesExpr }

// Value refuses a number that is too large, and text that is one.
func (e *operand) Value(ctx *hcl.EvalContext) (cty.Value, hcl.Diagnostics) {
	v, diags := e.Expression.Value(ctx)
	plain, _ := v.Unmark()
	if !plain.IsKnown() || plain.IsNull() {
		return v, diags
	}
	var err error
	switch plain.Type() {
	case cty.Number:
		err = checkNumber(plain.AsBigFloat())
	case cty.String:
		err = errHuge(plain.AsString())
	}
	if err != nil {
		return cty.DynamicVal, append(diags, errorAt(e.Range(), "Too large a number", sentence(err.Error())))
	}
	return v, diags
}
