package test

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// inventory checks what the sandbox has: a line with each TEXT, and no other,
// `inventory [TEXT…]`.
func inventory(ts *testscript.TestScript, neg bool, args []string) {
	if neg {
		ts.Fatalf("usage: inventory [TEXT…]")
	}
	ts.Check(ts.Exec("ingot", "sandbox", "status", "-json"))
	var status struct{ Resources []string }
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &status))
	left := status.Resources
	for _, text := range args {
		i := slices.IndexFunc(left, func(line string) bool { return strings.Contains(line, text) })
		if i < 0 {
			ts.Fatalf("the sandbox has no %s:\n%s", text, strings.Join(status.Resources, "\n"))
		}
		left = slices.Delete(slices.Clone(left), i, i+1)
	}
	if len(left) > 0 {
		ts.Fatalf("the sandbox has also\n%s", strings.Join(left, "\n"))
	}
}
