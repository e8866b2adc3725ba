package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/registry"
)

// What the registry commands print as JSON.
type (
	bucketView struct {
		Bucket   string            `json:"bucket"`
		Latest   string            `json:"latest"`
		Created  time.Time         `json:"created"`
		Channels map[string]string `json:"channels"`
	}
	versionView struct {
		Bucket         string             `json:"bucket"`
		Version        string             `json:"version"`
		Created        time.Time          `json:"created"`
		RunID          string             `json:"runId"`
		Description    string             `json:"description,omitempty"`
		Labels         map[string]string  `json:"labels,omitempty"`
		Channels       []string           `json:"channels,omitempty"`
		GitCommit      string             `json:"gitCommit,omitempty"`
		Fingerprint    string             `json:"fingerprint,omitempty"`
		Made           map[string]string  `json:"made,omitempty"`
		TemplateDigest string             `json:"templateDigest,omitempty"`
		Digest         string             `json:"digest"`
		Reference      string             `json:"reference,omitempty"` // for docker pull
		Records        []artifact.Record  `json:"records"`
		Tests          []registry.TestRun `json:"tests,omitempty"` // later than the version, newest first
	}
	channelView struct {
		Bucket    string             `json:"bucket"`
		Channel   string             `json:"channel"`
		Version   string             `json:"version"`
		Reference string             `json:"reference,omitempty"`
		Approval  bool               `json:"approval,omitempty"`
		Waiting   []registry.Request `json:"waiting,omitempty"` // for approval
		History   []registry.Move    `json:"history,omitempty"`
	}
	pulledView struct {
		Bucket  string `json:"bucket"`
		Version string `json:"version"`
		Path    string `json:"path"`
	}
	gcView struct {
		Folder string `json:"folder"`
		Freed  int64  `json:"freed"` // bytes
	}
)

func viewOf(r *registry.Registry, v registry.Version) versionView {
	return versionView{
		Bucket: v.Bucket, Version: v.Name, Created: v.Created, RunID: v.RunID, Description: v.Description,
		Labels: v.Labels, Channels: v.Channels, GitCommit: v.GitCommit, Fingerprint: v.Fingerprint, Made: v.Made, TemplateDigest: v.TemplateDigest,
		Digest: v.Digest, Reference: r.Reference(v.Bucket, v.Name), Records: v.Records,
	}
}

// table writes rows in columns, under a head.
func table(w io.Writer, rows ...[]string) error {
	var text strings.Builder
	tw := tabwriter.NewWriter(&text, 0, 0, 3, ' ', 0)
	for _, row := range rows {
		for i := range row {
			row[i] = oneLine(row[i])
		}
		if _, err := fmt.Fprintln(tw, strings.Join(row, "\t")); err != nil {
			return err
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, strings.TrimRight(line, " \n")); err != nil {
			return err
		}
	}
	return nil
}

// oneLine keeps text that others wrote from moving the cursor or colouring the
// terminal.
func oneLine(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

func writeBuckets(w io.Writer, r *registry.Registry, list []bucketView) error {
	if len(list) == 0 {
		_, err := fmt.Fprintf(w, "Nothing was published to %s yet.\nA build publishes what it made: ingot build TEMPLATE\n", r.Address())
		return err
	}
	rows := [][]string{{"BUCKET", "LATEST", "CREATED", "CHANNELS"}}
	for _, b := range list {
		var channels []string
		for _, c := range slices.Sorted(maps.Keys(b.Channels)) {
			channels = append(channels, c+" → "+b.Channels[c])
		}
		rows = append(rows, []string{b.Bucket, b.Latest, timeText(b.Created), strings.Join(channels, ", ")})
	}
	return table(w, rows...)
}

func writeVersions(w io.Writer, r *registry.Registry, bucket string, list []versionView) error {
	if len(list) == 0 {
		_, err := fmt.Fprintf(w, "Nothing was published to %s in %s yet.\nA build publishes what it made: ingot build TEMPLATE\n", bucket, r.Address())
		return err
	}
	rows := [][]string{{"VERSION", "CREATED", "CHANNELS", "BUILDS", "DESCRIPTION"}}
	for _, v := range list {
		var builds []string
		for _, rec := range v.Records {
			builds = append(builds, rec.Build)
		}
		rows = append(rows, []string{v.Version, timeText(v.Created), strings.Join(v.Channels, ", "), strings.Join(builds, ", "), v.Description})
	}
	return table(w, rows...)
}

func writeVersion(w io.Writer, v versionView, now time.Time) error {
	var rows [][]string
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{name, text})
		}
	}
	add("Version", v.Bucket+":"+v.Version)
	add("Created", timeText(v.Created)+" ("+ago(now.Sub(v.Created))+")")
	add("Channels", strings.Join(v.Channels, ", "))
	add("Description", v.Description)
	for _, name := range slices.Sorted(maps.Keys(v.Labels)) {
		add("Label", name+"="+v.Labels[name])
	}
	add("Commit", v.GitCommit)
	add("Template", v.TemplateDigest)
	add("Run", v.RunID)
	add("Fingerprint", v.Fingerprint)
	for _, name := range slices.Sorted(maps.Keys(v.Made)) {
		add("Made", name+"="+v.Made[name])
	}
	add("Digest", v.Digest)
	if v.Reference != "" && slices.ContainsFunc(v.Records, func(r artifact.Record) bool { return r.Artifact.Image != nil }) {
		add("Pull", "docker pull "+v.Reference)
	}
	if err := table(w, rows...); err != nil {
		return err
	}
	for _, rec := range v.Records {
		if _, err := fmt.Fprintf(w, "\n%s\n", oneLine(rec.Build)); err != nil {
			return err
		}
		rows := append(recordRows(rec), testRows(rec, v.Tests)...)
		if err := table(w, rows...); err != nil {
			return err
		}
	}
	return nil
}

func recordRows(rec artifact.Record) [][]string {
	a := rec.Artifact
	var rows [][]string
	add := func(name, text string) {
		if text != "" {
			rows = append(rows, []string{"  " + name, text})
		}
	}
	add("Artifact", cmp.Or(a.Text, a.ID))
	if a.Image != nil {
		add("Image", a.Image.Digest)
		add("Platform", strings.Trim(a.Image.OS+"/"+a.Image.Architecture+"/"+a.Image.Variant, "/"))
	} else {
		add("Platform", a.Arch)
	}
	for _, p := range a.Places {
		add("Place", p.Name+"  "+p.ID)
	}
	for _, f := range a.Files {
		add("File", f.Path+"  "+bytesText(f.Size))
	}
	add("Tags", strings.Join(a.Tags, ", "))
	base := rec.Base.Name
	if rec.Base.ID != rec.Base.Name && rec.Base.ID != "" {
		base = strings.TrimSpace(base + "  " + rec.Base.ID)
	}
	add("Base", base)
	add("Key", string(rec.Key))
	for _, s := range rec.Steps {
		add("Step", fmt.Sprintf("%s  %s", s.Key.Short(), s.Name))
	}
	for _, a := range rec.Attachments {
		add("Attached", fmt.Sprintf("%s  %s  %s", a.Name, a.Type, bytesText(a.Size)))
	}
	for _, p := range rec.Pending {
		add("Left to do", p.Name)
	}
	return rows
}

func writeChannels(w io.Writer, r *registry.Registry, bucket string, list []channelView) error {
	if len(list) == 0 {
		_, err := fmt.Fprintf(w, "%s has no channels in %s.\nMake one: ingot promote %s VERSION production\n", bucket, r.Address(), bucket)
		return err
	}
	rows := [][]string{{"CHANNEL", "VERSION"}}
	for _, c := range list {
		rows = append(rows, []string{c.Channel, c.Version})
	}
	return table(w, rows...)
}

func writeChannel(w io.Writer, c channelView) error {
	rule := ""
	if c.Approval {
		rule = "\nIt moves when somebody approves."
	}
	if _, err := fmt.Fprintf(w, "%s:%s is %s%s\n", c.Bucket, c.Channel, cmp.Or(c.Version, "no version yet"), rule); err != nil {
		return err
	}
	for _, q := range c.Waiting {
		what := q.Version
		if q.Untested {
			what += " (untested)"
		}
		if _, err := fmt.Fprintf(w, "Waiting: %s, asked for by %s on %s: ingot approve %s %s %s\n", what, oneLine(q.By), timeText(q.Time), c.Bucket, q.Version, c.Channel); err != nil {
			return err
		}
	}
	if len(c.History) == 0 {
		return nil
	}
	rows := [][]string{{"MOVED", "FROM", "TO", "BY"}}
	for _, m := range c.History {
		rows = append(rows, []string{timeText(m.Time), cmp.Or(m.From, "-"), m.To, moverText(m)})
	}
	if _, err := fmt.Fprintln(w); err != nil {
		return err
	}
	return table(w, rows...)
}

// moverText is who moved a channel, and how.
func moverText(m registry.Move) string {
	text := m.By
	if m.Approved != "" {
		text += ", approved by " + m.Approved
	}
	if m.Rollback {
		text += " (rollback)"
	}
	if m.Untested {
		text += " (untested)"
	}
	if m.Comment != "" {
		text += ": " + m.Comment
	}
	return text
}

// quantity is a number of things of one name.
func quantity(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05")
}

// ago says how long ago something was, roughly.
func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return quantity(int(d/time.Minute), "minute") + " ago"
	case d < 48*time.Hour:
		return quantity(int(d/time.Hour), "hour") + " ago"
	}
	return quantity(int(d/(24*time.Hour)), "day") + " ago"
}

func bytesText(n int64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	v, i := float64(n), 0
	for v >= 1000 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	if i == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
