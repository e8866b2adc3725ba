package plan

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/lang"
)

// Test is what is run on a fresh machine that begins with the image.
type Test struct {
	Name       string
	Range      hcl.Range
	KeepFailed bool // the image stays where it fails
	Steps      []*Step
}

// Where returns the test's place in the template, "file:line".
func (x *Test) Where() string { return where(x.Range) }

// tests lowers the build's tests, those that have something to look at.
func (c *compiler) tests(b *Build) ([]*Test, hcl.Diagnostics) {
	var out []*Test
	var diags hcl.Diagnostics
	index := len(c.spec.Provisioners) + 1 // names of temporary files tell steps apart by it
	for _, spec := range c.spec.Tests {
		x := &Test{Name: spec.Name, Range: spec.Range, KeepFailed: spec.KeepFailed}
		if !spec.AppliesTo(c.src) {
			continue
		}
		diags = append(diags, bootable(b, spec)...)
		for _, p := range spec.Provisioners {
			if !p.AppliesTo(c.src) {
				continue
			}
			step, ds := c.step(b, p, index)
			diags = append(diags, ds...)
			diags = append(diags, notInTest(step.Attach != nil, p)...)
			x.Steps = append(x.Steps, step)
			index++
		}
		if len(x.Steps) > 0 {
			out = append(out, x)
		}
	}
	return out, diags
}

// notInTest refuses steps that are about the image while it is made.
func notInTest(attaches bool, p *lang.Provisioner) hcl.Diagnostics {
	if !attaches {
		return nil
	}
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: fmt.Sprintf("The provisioner %q is not for tests", p.Type), Subject: p.Range.Ptr(),
		Detail: "It attaches something to the artifact, which is made by then. Put it among the provisioners of the build."}}
}

// bootable refuses tests of what no machine can begin with.
func bootable(b *Build, spec *lang.Test) hcl.Diagnostics {
	if b.Builder == nil {
		return nil
	}
	err := b.noImage()
	if _, ok := b.Builder.(builders.Booter); ok && err == nil {
		return nil
	}
	err = cmp.Or(err, fmt.Errorf("the builder %q makes no image that a machine could begin with", b.Type))
	return hcl.Diagnostics{{Severity: hcl.DiagError, Summary: fmt.Sprintf("%s can't run the test %q", b.Address, spec.Name),
		Detail: hinted(err.Error(), err) + fmt.Sprintf(" Or use only or except to leave out %s.", b.Address), Subject: spec.Range.Ptr()}}
}

// TestKey is the key of all tests: what they do, not what they are called.
func (b *Build) TestKey() key.Key {
	if len(b.Tests) == 0 {
		return ""
	}
	h := key.New("tests/1").Int(int64(len(b.Tests)))
	for _, x := range b.Tests {
		h.Int(int64(len(x.Steps)))
		for _, s := range x.Steps {
			h.String(string(s.hash))
		}
	}
	return h.Sum()
}

// untested reports whether the artifact has still to pass the tests.
func (b *Build) untested(rec artifact.Record) bool {
	return len(b.Tests) > 0 && !(rec.Tested.Passed() && rec.Tested.Key == b.TestKey())
}

// TestNames lists the tests, for people.
func (b *Build) TestNames() string {
	var names []string
	for _, x := range b.Tests {
		names = append(names, x.Name)
	}
	return strings.Join(names, ", ")
}
