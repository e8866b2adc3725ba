package component

import (
	"fmt"
	"testing"

	"github.com/hashicorp/hcl/v2/json"
)

func TestEarlierJSONError(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ src, want string }{
		{"{\n\"a\": {\n\"b\": 1\n\"c\": 2\n},\n\"d\": 3\n}", "4:1 Invalid JSON: no comma"},
		{"{\"a\": [\n1\n2]}", "3:1 Invalid JSON: no comma"},
		{"{\"a\": {\"b\" 1,\n\"c\": 2},\n\"d\": 3}", "1:12 Missing property value colon"},
		{"{\"a\": 1,\n}", "1:8 Trailing comma in object"},
		{"{\"a\": [1, 2]", "1:1 Unclosed object"},
	} {
		_, diags := json.Parse([]byte(tc.src), "a.pkr.json")
		if !diags.HasErrors() {
			t.Errorf("%s: no error", tc.src)
			continue
		}
		d := EarlierJSONError(diags[0], []byte(tc.src))
		if got := fmt.Sprintf("%d:%d %s", d.Subject.Start.Line, d.Subject.Start.Column, d.Summary); got != tc.want {
			t.Errorf("%s: %s, want %s", tc.src, got, tc.want)
		}
	}
}
