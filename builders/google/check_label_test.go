package google

import (
	"strings"
	"testing"
)

func TestIsLabel(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		key, value string
		want       bool
	}{
		{"env", "prod", true}, {"env", "", true}, {"größe", "1_2-3", true},
		{strings.Repeat("k", 63), strings.Repeat("v", 63), true},
		{strings.Repeat("k", 64), "v", false}, {"k", strings.Repeat("v", 64), false},
		{"", "v", false}, {"1st", "v", false}, {"Env", "v", false}, {"env", "Prod", false}, {"a b", "v", false},
	} {
		if got := isLabel(c.key, c.value); got != c.want {
			t.Errorf("%q = %q: %v", c.key, c.value, got)
		}
	}
}
