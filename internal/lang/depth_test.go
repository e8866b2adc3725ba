package lang

import (
	"strings"
	"testing"
)

// TestShallow has most templates be looked at once: what is not simple is left
// to the lexer.
func TestShallow(t *testing.T) {
	t.Parallel()
	block := "build {\n  a = [1, \"${x.y} %{ if z }\\\"(\"] # ((\n  b {\n    c = -1 // {\n  }\n}\n"
	for src, want := range map[string]bool{
		strings.Repeat(block, 30_000):         true,
		strings.Repeat("(", deepest):          true,
		strings.Repeat("(", deepest+1):        false,
		strings.Repeat("a = 1 + 1\n", 30_000): true,
		strings.Repeat("[1, ", 400):           true,
		strings.Repeat("[1, ", 600):           false,
		"a = 1 + " + strings.Repeat("!", 999): false,
		"a = <<E\nE\n":                        false,
		"/* */":                               false,
		`a = "$${"`:                           false,
		"a = (]":                              false,
		"a = \"\n\"":                          false,
	} {
		if got := shallow([]byte(src)); got != want {
			t.Errorf("%.40q: %v", src, got)
		}
	}
}
