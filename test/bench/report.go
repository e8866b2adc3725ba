package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
)

// report is the result of a run.
type report struct {
	CPUs     int      `json:"cpus"`
	Platform string   `json:"platform"`
	Rounds   int      `json:"rounds"`
	Load     string   `json:"load"` // averages of 1, 5 and 15 minutes before the run
	Rows     []row    `json:"rows"`
	NotRun   []notRun `json:"not_run,omitempty"`
}

// row is one comparison. Times are in seconds, memory is in bytes.
type row struct {
	Bench string    `json:"bench"`
	Ours  float64   `json:"ours"`
	Peer  float64   `json:"peer"`
	Unit  string    `json:"unit"` // "s", "B" or "1/s"
	Who   string    `json:"peer_name"`
	Ratio float64   `json:"ratio"` // ours to the peer's
	Bar   float64   `json:"bar"`   // the ratio that should not be exceeded, 0 for none
	Met   bool      `json:"met"`
	All   []float64 `json:"ours_rounds,omitempty"`
	Them  []float64 `json:"peer_rounds,omitempty"`
	Notes []string  `json:"notes,omitempty"`
}

// notRun is a bench without a result.
type notRun struct {
	Bench string `json:"bench"`
	Why   string `json:"why"`
}

func newReport(rounds int) *report {
	return &report{CPUs: runtime.NumCPU(), Platform: runtime.GOOS + "/" + runtime.GOARCH, Rounds: rounds, Load: load()}
}

// load is what the machine was doing beside: ratios of a busy one scatter.
func load() string {
	text, err := os.ReadFile("/proc/loadavg")
	fields := strings.Fields(string(text))
	if err != nil || len(fields) < 3 {
		return "unknown"
	}
	return strings.Join(fields[:3], " ")
}

// newRow compares the medians of two sides; bar 0 is no bar.
func newRow(name string, ours, peer *side, bar float64, notes ...string) row {
	r := row{
		Bench: name, Unit: "s", Who: peer.name, Bar: bar, Notes: notes,
		Ours: ours.median().Seconds(), Peer: peer.median().Seconds(),
		All: inSeconds(ours.times()), Them: inSeconds(peer.times()),
	}
	return r.judged()
}

// judged fills in the ratio and whether it meets the bar.
func (r row) judged() row {
	if r.Peer > 0 {
		r.Ratio = r.Ours / r.Peer
	}
	r.Met = r.Bar == 0 || r.Ratio <= r.Bar
	return r
}

func inSeconds(list []int64) []float64 {
	out := make([]float64, len(list))
	for i, v := range list {
		out[i] = float64(v) / 1e9
	}
	return out
}

func (r *report) complete() bool { return len(r.NotRun) == 0 }

func (r *report) json(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(r)
}

func (r *report) text(w io.Writer) error {
	fmt.Fprintf(w, "\n%s, %d CPUs, load before the run %s, medians of %d rounds\n\n", r.Platform, r.CPUs, r.Load, r.Rounds)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "bench\tours\tpeer\tratio\tbar\t\tpeer is")
	for _, row := range r.Rows {
		fmt.Fprintln(t, strings.Join([]string{
			row.Bench, amount(row.Ours, row.Unit), amount(row.Peer, row.Unit),
			ratio(row.Ratio, row.Bar), bar(row.Bar), verdict(row), row.Who,
		}, "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, row := range r.Rows {
		for _, n := range row.Notes {
			fmt.Fprintf(w, "\n%s: %s", row.Bench, n)
		}
	}
	fmt.Fprintln(w)
	for _, n := range r.NotRun {
		fmt.Fprintf(w, "\nnot run: %s: %s\n", n.Bench, n.Why)
	}
	return nil
}

func amount(v float64, unit string) string {
	switch {
	case v == 0:
		return "-"
	case unit == "B":
		return fmt.Sprintf("%.1f MB", v/1e6)
	case unit == "1/s":
		return fmt.Sprintf("%.1f/s", v)
	case v < 1:
		return fmt.Sprintf("%.1f ms", v*1000)
	}
	return fmt.Sprintf("%.2f s", v)
}

// ratio prints bars that ask for a fraction of the peer's time as how many
// times faster that is.
func ratio(v, bar float64) string {
	switch {
	case v == 0:
		return "-"
	case bar > 0 && bar < 0.5:
		return fmt.Sprintf("%.1f× faster", 1/v)
	}
	return fmt.Sprintf("%.2f", v)
}

func bar(v float64) string {
	switch {
	case v == 0:
		return "-"
	case v < 0.5:
		return fmt.Sprintf("≥ %g× faster", 1/v)
	}
	return fmt.Sprintf("≤ %.2f", v)
}

func verdict(r row) string {
	switch {
	case r.Bar == 0:
		return ""
	case r.Met:
		return "met"
	}
	return "NOT MET"
}
