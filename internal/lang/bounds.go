package lang

import (
	"errors"
	"fmt"
	"math/big"
	"regexp"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// A few lines of a template can ask for more than a host has: texts that
// double from local to local, loops in loops, a number of a million digits.
// What expressions make has bounds, far above what templates need.
const (
	mostText   = 16 << 20 // bytes of text in one value
	mostParts  = 1 << 18  // elements in one value, and turns of the loops of one expression
	mostDigits = 1 << 14  // binary digits of a number, before or after the point
	notable    = 1 << 10  // size of a value that may become a problem when it is used many times
)

var (
	errText   = fmt.Errorf("the value has more than %d MB of text", mostText>>20)
	errParts  = fmt.Errorf("the value has more than %d elements", mostParts)
	errNumber = errors.New("the number is too large, or too small")
	errTurns  = fmt.Errorf("the loops of the expression take more than %d turns", mostParts)
)

// size is how much there is in a value.
type size struct{ text, parts int }

// sizeOf measures a value; an error says what there is too much of.
func sizeOf(v cty.Value) (size, error) {
	var s size
	err := s.add(v)
	return s, err
}

func (s *size) add(v cty.Value) error {
	s.parts++
	if v.IsMarked() {
		v, _ = v.Unmark()
	}
	if !v.IsKnown() || v.IsNull() {
		return nil
	}
	switch ty := v.Type(); {
	case ty == cty.String:
		s.text += len(v.AsString())
	case ty == cty.Number:
		return checkNumber(v.AsBigFloat())
	case ty == cty.Bool || !v.CanIterateElements():
	default:
		for it := v.ElementIterator(); it.Next(); {
			_, e := it.Element()
			if err := s.add(e); err != nil {
				return err
			}
		}
	}
	return s.over()
}

func (s size) over() error {
	switch {
	case s.text > mostText:
		return errText
	case s.parts > mostParts:
		return errParts
	}
	return nil
}

func (s size) isNotable() bool { return s.text > notable || s.parts > notable }

func checkNumber(n *big.Float) error {
	if e := n.MantExp(nil); e > mostDigits || e < -mostDigits {
		return errNumber
	}
	return nil
}

// measure notes the size of a value of that address, where it is one to look
// out for, and refuses one that is too large.
func (t *Template) measure(address string, v cty.Value, at hcl.Range) hcl.Diagnostics {
	s, err := sizeOf(v)
	if err != nil {
		return hcl.Diagnostics{errorAt(at, "Too large a value", sentence(err.Error()))}
	}
	if s.isNotable() {
		t.sizes[address] = s
	}
	return nil
}

// checkSize refuses an expression that uses so many large values that what it
// makes can be too large.
func (t *Template) checkSize(expr hcl.Expression) hcl.Diagnostics {
	if len(t.sizes) == 0 {
		return nil
	}
	var sum size
	for _, tr := range expr.Variables() {
		s := t.sizes[valueAddress(tr)]
		sum.text += s.text
		sum.parts += s.parts
		if err := sum.over(); err != nil {
			return hcl.Diagnostics{errorAt(expr.Range(), "Too large a value", sentence(err.Error()))}
		}
	}
	return nil
}

// valueAddress is the address of the variable, local or data source that a
// reference is to.
func valueAddress(tr hcl.Traversal) string {
	if tr.RootName() == "var" {
		return "var." + attrOf(tr)
	}
	return addressOf(tr)
}

// hugeNumber finds a number whose exponent has four digits or more.
var hugeNumber = regexp.MustCompile(`^[-+]?[0-9.]+[eE][-+]?0*[1-9][0-9]{3,}$`)

// errHuge is nil where text is not such a number.
func errHuge(text string) error {
	if len(text) < 1<<12 && hugeNumber.MatchString(text) {
		return errNumber
	}
	return nil
}
