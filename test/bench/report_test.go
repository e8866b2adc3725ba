package main

import (
	"strings"
	"testing"
	"time"
)

func taking(name string, times ...time.Duration) *side {
	s := &side{name: name}
	for _, t := range times {
		s.samples = append(s.samples, sample{time: t})
	}
	return s
}

// TestRow judges medians: one slow round decides nothing.
func TestRow(t *testing.T) {
	t.Parallel()
	ms := time.Millisecond
	tests := map[string]struct {
		ours, peer *side
		bar        float64
		met        bool
		text       string
	}{
		"as fast":       {taking("ingot", 100*ms, 110*ms, 900*ms), taking("ssh", 100*ms, 100*ms, 100*ms), 1.15, true, "1.10"},
		"too slow":      {taking("ingot", 120*ms, 120*ms), taking("ssh", 100*ms, 100*ms), 1.15, false, "1.20"},
		"times faster":  {taking("ingot", 20*ms), taking("packer", 100*ms), 1.0 / 4, true, "5.0× faster"},
		"not so fast":   {taking("ingot", 30*ms), taking("packer", 100*ms), 1.0 / 4, false, "3.3× faster"},
		"without a bar": {taking("ingot", 300*ms), taking("ssh", 100*ms), 0, true, "3.00"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRow("", tt.ours, tt.peer, tt.bar)
			if got := ratio(r.Ratio, r.Bar); r.Met != tt.met || got != tt.text {
				t.Errorf("met %t and %q, want %t and %q", r.Met, got, tt.met, tt.text)
			}
		})
	}
}

// TestReportNamesWhatDidNotRun keeps a missing peer from passing silently.
func TestReportNamesWhatDidNotRun(t *testing.T) {
	t.Parallel()
	r := newReport(5)
	why := missing([]need{{"no-such-program", "apt-get install it"}})
	r.NotRun = append(r.NotRun, notRun{"startup", why})
	var out strings.Builder
	if err := r.text(&out); err != nil {
		t.Fatal(err)
	}
	want := "not run: startup: no-such-program is not installed: apt-get install it"
	if r.complete() || !strings.Contains(out.String(), want) {
		t.Errorf("%s\nlacks %q", out.String(), want)
	}
}
