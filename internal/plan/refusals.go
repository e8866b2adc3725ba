package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/op"
)

// refusals are the steps that builders can't carry out.
type refusals struct {
	of   map[refusal]*refused
	jobs map[*job]bool // those with such a step
}

// refusal is a step, and why it is refused.
type refusal struct {
	step string // type of the provisioner
	at   hcl.Range
	why  string
}

type refused struct {
	err error
	by  []string // addresses of builds
}

func newRefusals() *refusals {
	return &refusals{of: map[refusal]*refused{}, jobs: map[*job]bool{}}
}

// add notes that a build's builder refuses one of a step's ops, where it does.
func (r *refusals) add(j *job, step string, at hcl.Range, kinds []op.Kind) {
	if j.build.Builder == nil {
		return
	}
	for _, k := range kinds {
		err := j.build.Builder.Supports(k)
		if err == nil {
			continue
		}
		id := refusal{step, at, err.Error()}
		if r.of[id] == nil {
			r.of[id] = &refused{err: err}
		}
		r.of[id].by = append(r.of[id].by, j.address)
		r.jobs[j] = true
		return
	}
}

// diags returns an error for each step, however many builds it is of.
func (r *refusals) diags() hcl.Diagnostics {
	var diags hcl.Diagnostics
	for id, what := range r.of {
		slices.Sort(what.by)
		d := optionDiag(what.err, "", func(string) hcl.Range { return id.at })
		d.Summary = fmt.Sprintf("%s can't run the provisioner %q", few(slices.Compact(what.by)), id.step)
		diags = append(diags, d)
	}
	slices.SortFunc(diags, func(a, b *hcl.Diagnostic) int { return strings.Compare(a.Summary, b.Summary) })
	return diags
}

// few names the first of a list.
func few(names []string) string {
	switch n := len(names); {
	case n == 1:
		return names[0]
	case n <= 3:
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return fmt.Sprintf("%s, %s and %d more", names[0], names[1], len(names)-2)
}

// kindsOf returns the kinds of ops, each once.
func kindsOf(ops []op.Op) []op.Kind {
	var out []op.Kind
	for _, o := range ops {
		if k := o.Kind(); !slices.Contains(out, k) {
			out = append(out, k)
		}
	}
	return out
}
