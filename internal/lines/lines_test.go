package lines_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ingot-build/ingot/internal/lines"
)

func TestWriter(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 64<<10)
	for name, test := range map[string]struct {
		in   []string
		want []string
	}{
		"nothing":         {nil, nil},
		"one line":        {[]string{"a\n"}, []string{"a"}},
		"in pieces":       {[]string{"a", "b\nc", "\n"}, []string{"ab", "c"}},
		"no newline":      {[]string{"a\nb"}, []string{"a", "b"}},
		"empty lines":     {[]string{"\n\n"}, []string{"", ""}},
		"carriage return": {[]string{"a\r\nb\r", "\n"}, []string{"a", "b"}},
		"too long":        {[]string{long + long + "y\nz"}, []string{long, long, "y", "z"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var got []string
			w := lines.New(&mu, func(line string) { got = append(got, line) })
			for _, s := range test.in {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatalf("Write = %d, %v", n, err)
				}
			}
			w.Flush()
			if !slices.Equal(got, test.want) {
				t.Errorf("got %.200q, want %.200q", got, test.want)
			}
		})
	}
}
