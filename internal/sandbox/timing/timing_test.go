package timing

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	got, err := Parse("running=3s, ssh=2s,image=8s")
	if err != nil {
		t.Fatal(err)
	}
	want := Default()
	want.Running, want.SSH, want.Image = 3*time.Second, 2*time.Second, 8*time.Second
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if again, err := Parse(got.String()); err != nil || again != got {
		t.Errorf("Parse(String()) = %s, %v", again, err)
	}
	if none, err := Parse(""); err != nil || none != Default() {
		t.Errorf(`Parse("") = %s, %v`, none, err)
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"running":     "want NAME=DURATION",
		"running=3":   "not a duration",
		"running=-1s": "not a duration",
		"walking=3s":  `no "walking"`,
	} {
		if _, err := Parse(in); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Parse(%q) = %v, want %q", in, err, want)
		}
	}
}
