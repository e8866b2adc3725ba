package plan

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/artifact"
)

func TestCauses(t *testing.T) {
	t.Parallel()
	old := []artifact.Input{{Kind: "option", Name: "inline", Digest: "1"}, {Kind: "variable", Name: "var.a", Digest: "1"}, {Kind: "file", Name: "f", Digest: "1"}}
	now := []artifact.Input{{Kind: "option", Name: "inline", Digest: "2"}, {Kind: "variable", Name: "var.a", Digest: "2"}, {Kind: "file", Name: "g", Digest: "1"}}
	var texts []string
	for _, r := range diff(old, now) {
		texts = append(texts, r.Text)
	}
	if d := cmp.Diff([]string{"var.a changed", "g is new", "f was removed"}, texts); d != "" {
		t.Error(d)
	}
}

func TestCounterparts(t *testing.T) {
	t.Parallel()
	// A step is its name and what it is made of.
	steps := func(text string) (out []artifact.Step) {
		for _, word := range strings.Fields(text) {
			out = append(out, artifact.Step{Name: word[:1], Inputs: []artifact.Input{{Kind: "option", Name: "inline", Digest: word[1:]}}})
		}
		return out
	}
	for _, tt := range []struct {
		old, now  string
		was, gone []int
	}{
		{"a1 b1", "a1 b1", []int{0, 1}, nil},
		{"a1 b1", "a1 b2", []int{0, 1}, nil},
		{"a1 b1", "b1", []int{1}, []int{0}},
		{"a1 b1", "c1 a1 b1", []int{-1, 0, 1}, nil},
		{"a1 a2 a3", "a1 a3", []int{0, 2}, []int{1}},
		{"a1 a2", "a0 a1 a2", []int{-1, 0, 1}, nil},
		{"a1 a2", "a1 a9 a2", []int{0, -1, 1}, nil},
		{"a1 a2 a3", "a1 a9 a3", []int{0, 1, 2}, nil},
		{"a1 b1", "b1 a1", []int{-1, 0}, []int{1}},
		{"a1", "b1", []int{-1}, []int{0}},
		{"", "a1", []int{-1}, nil},
		{"a1", "", []int{}, []int{0}},
	} {
		old := steps(tt.old)
		was := Counterparts(old, steps(tt.now))
		if gone := Removed(len(old), was); !slices.Equal(was, tt.was) || !slices.Equal(gone, tt.gone) {
			t.Errorf("%q to %q: %v without %v, want %v without %v", tt.old, tt.now, was, gone, tt.was, tt.gone)
		}
	}
}
