package plan

import (
	"slices"

	"github.com/ingot-build/ingot/internal/artifact"
)

// kindBase is the kind of an input that is the source image.
const kindBase = "base"

// Changes says what is different between what two keys were made of.
func Changes(old, now []artifact.Input) (texts []string) {
	for _, r := range diff(old, now) {
		texts = append(texts, r.Text)
	}
	return texts
}

// Counterparts finds the steps of an older build that those of a newer one are:
// for each its index, -1 for one that is new. They are in the same order, as many
// as possible are the same, and of the others those of one name are taken for
// one that changed.
func Counterparts(old, now []artifact.Step) []int {
	best := make([][]int, len(old)+1) // how alike the steps from i and from j on are
	for i := range best {
		best[i] = make([]int, len(now)+1)
	}
	for i := len(old) - 1; i >= 0; i-- {
		for j := len(now) - 1; j >= 0; j-- {
			best[i][j] = max(best[i+1][j], best[i][j+1])
			if n := alike(old[i], now[j]); n > 0 {
				best[i][j] = max(best[i][j], n+best[i+1][j+1])
			}
		}
	}
	was := make([]int, len(now))
	for i, j := 0, 0; j < len(now); {
		n := 0
		if i < len(old) {
			n = alike(old[i], now[j])
		}
		switch {
		case n > 0 && best[i][j] == n+best[i+1][j+1]:
			was[j] = i
			i, j = i+1, j+1
		case best[i][j] == best[i][j+1]:
			was[j] = -1
			j++
		default:
			i++
		}
	}
	return was
}

// alike is 0 for steps that are different ones.
func alike(a, b artifact.Step) int {
	switch {
	case a.Name != b.Name:
		return 0
	case slices.Equal(a.Inputs, b.Inputs):
		return 3
	}
	return 1
}

// Removed are the indexes, of so many steps, that are no counterparts.
func Removed(steps int, counterparts []int) (gone []int) {
	for i := range steps {
		if !slices.Contains(counterparts, i) {
			gone = append(gone, i)
		}
	}
	return gone
}

// diff says what is different between two lists of inputs.
func diff(old, now []artifact.Input) []Reason {
	type id struct{ kind, name string }
	var out []Reason
	from, to := baseIn(old), baseIn(now)
	if from != "" && to != "" && from != to {
		out = append(out, Reason{Kind: kindBase, Name: to, Text: "base " + from + " → " + to})
		other := func(in artifact.Input) bool { return in.Kind == kindBase }
		old, now = slices.DeleteFunc(slices.Clone(old), other), slices.DeleteFunc(slices.Clone(now), other)
	}
	before := map[id]string{}
	for _, in := range old {
		before[id{in.Kind, in.Name}] = in.Digest
	}
	add := func(in artifact.Input, verb string) {
		name := in.Name
		if in.Kind == kindBuild && verb == "changed" {
			out = append(out, followsBuild(name))
			return
		}
		if in.Kind != "variable" && in.Kind != "file" {
			name = in.Kind + " " + name
		}
		out = append(out, Reason{Kind: in.Kind, Name: in.Name, Text: name + " " + verb})
	}
	for _, in := range now {
		digest, ok := before[id{in.Kind, in.Name}]
		delete(before, id{in.Kind, in.Name})
		switch {
		case !ok:
			add(in, "is new")
		case digest != in.Digest:
			add(in, "changed")
		}
	}
	for _, in := range old {
		if _, gone := before[id{in.Kind, in.Name}]; gone {
			add(in, "was removed")
		}
	}
	return causes(out)
}

// baseIn is the name of the base among inputs, "" where it is another build's
// image.
func baseIn(inputs []artifact.Input) string {
	i := slices.IndexFunc(inputs, func(in artifact.Input) bool { return in.Kind == kindBase })
	if i < 0 {
		return ""
	}
	return inputs[i].Name
}

// causes leaves out options where a variable changed: they differ because of it.
func causes(reasons []Reason) []Reason {
	if !slices.ContainsFunc(reasons, func(r Reason) bool { return r.Kind == "variable" }) {
		return reasons
	}
	return slices.DeleteFunc(reasons, func(r Reason) bool { return r.Kind == "option" })
}
