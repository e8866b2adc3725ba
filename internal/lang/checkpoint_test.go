package lang

import (
	"testing"
	"time"
)

func TestDays(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	for text, want := range map[string]time.Duration{"7d": 7 * day, "36h": 36 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "1s": time.Second} {
		if got, err := days(text); err != nil || got != want {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"d", "1.5d", "-1d", "soon", "7", "999999d", "1d2"} {
		if got, err := days(text); err == nil {
			t.Errorf("%s: %v, want an error", text, got)
		}
	}
}
