package ui

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
)

// results ends a run: what Packer prints, then what only we know.
func (n *narrator) results(d event.Results) {
	if n.concluded {
		return
	}
	n.concluded = true
	n.line(say, "", "\n==> Wait completed after "+inWords(d.Took))
	if d.Cancelled {
		n.line(say, "", "Cleanly cancelled builds after being interrupted.")
	} else {
		n.errors()
	}
	n.artifacts(d.Cancelled)
	if n.brief {
		return
	}
	for _, p := range n.published {
		n.line(say, "", publishedLine(p))
	}
	if len(d.Cleaning) > 0 {
		n.line(say, "", "\n==> Cleaning up after "+strings.Join(d.Cleaning, ", "))
	}
}

func (n *narrator) errors() {
	var failed []string
	for _, name := range n.order {
		if n.builds[name].err != nil {
			failed = append(failed, name)
		}
	}
	if len(failed) == 0 {
		return
	}
	n.record("", "error-count", strconv.Itoa(len(failed)))
	n.line(failure, "", "\n==> Some builds didn't complete successfully and had errors:")
	for _, name := range failed {
		b := n.builds[name]
		text := n.reason(name, b.err)
		n.record(name, "error", text)
		n.line(failure, "", "--> "+name+": "+text)
		n.hint("", b.err)
		if b.log != "" {
			n.line(failure, "", "    log: "+b.log)
		}
	}
}

func (n *narrator) artifacts(cancelled bool) {
	made, unchanged := false, len(n.order) > 0
	for _, name := range n.order {
		b := n.builds[name]
		unchanged = unchanged && b.skipped && b.err == nil
		if len(b.artifacts) == 0 || b.err != nil {
			continue
		}
		if !made {
			made = true
			n.line(say, "", "\n==> Builds finished. The artifacts of successful builds are:")
		}
		n.record(name, "artifact-count", strconv.Itoa(len(b.artifacts)))
		for i, a := range b.artifacts {
			n.artifact(name, strconv.Itoa(i), a)
		}
	}
	switch {
	case made || cancelled:
	case unchanged:
		n.line(say, "", "\n==> Builds finished: nothing had changed.")
	default:
		n.line(say, "", "\n==> Builds finished but no artifacts were created.")
	}
}

func (n *narrator) artifact(build, i string, a artifact.Artifact) {
	text := a.Text
	if text == "" {
		text = a.ID
	}
	text = n.plain(text)
	n.record(build, "artifact", i, "builder-id", a.Builder)
	n.record(build, "artifact", i, "id", a.ID)
	n.record(build, "artifact", i, "string", text)
	n.record(build, "artifact", i, "files-count", strconv.Itoa(len(a.Files)))
	for j, f := range a.Files {
		n.record(build, "artifact", i, "file", strconv.Itoa(j), f.Path)
	}
	n.record(build, "artifact", i, "end")
	n.line(say, "", "--> "+build+": "+text)
}

func (n *narrator) record(target, name string, data ...string) {
	for i := range data {
		data[i] = n.secrets.Redact(data[i])
	}
	n.voice.record(n.now, n.secrets.Redact(target), name, data...)
}

func publishedLine(p event.Published) string {
	text := fmt.Sprintf("\n==> Published %s:%s in %s", p.Bucket, p.Version, p.Registry)
	if !p.New {
		text = fmt.Sprintf("\n==> Version %s:%s in %s is unchanged", p.Bucket, p.Version, p.Registry)
	}
	if len(p.Channels) > 0 {
		text += ", channels: " + strings.Join(p.Channels, ", ")
	}
	return text
}

// times prints where the time went: a row a build, a column a phase.
func (n *narrator) times() {
	phases := []string{"resolve", "wait", "begin", "provision", "seal", "test", "distribute", "post-process", "publish", "cleanup"}
	spent := map[string]bool{}
	var rows []string
	for _, name := range n.order {
		b := n.builds[name]
		if !b.ended || b.skipped {
			continue
		}
		rows = append(rows, name)
		if b.cleanup != nil {
			b.times = append(b.times, event.Time{Phase: "cleanup", Took: b.cleanup.Took})
		}
		for _, t := range b.times {
			spent[t.Phase] = true
			if !slices.Contains(phases, t.Phase) {
				phases = append(phases, t.Phase)
			}
		}
	}
	if len(spent) == 0 {
		return
	}
	phases = slices.DeleteFunc(phases, func(p string) bool { return !spent[p] })
	n.line(say, "", "\n==> Where the time went, in seconds:")
	for _, line := range n.table(rows, phases) {
		n.line(say, "", "    "+line)
	}
}

func (n *narrator) table(rows, phases []string) []string {
	var sb strings.Builder
	// Numbers stand on the right, and so do their headings; the names are
	// padded by hand to stand on the left.
	w := tabwriter.NewWriter(&sb, 0, 0, 2, ' ', tabwriter.AlignRight)
	width := len("build")
	for _, name := range rows {
		width = max(width, len(name))
	}
	fmt.Fprintf(w, "%-*s\ttotal\t%s\t\n", width, "build", strings.Join(phases, "\t"))
	for _, name := range rows {
		b := n.builds[name]
		fmt.Fprintf(w, "%-*s\t%.1f", width, name, b.took.Seconds())
		for _, p := range phases {
			fmt.Fprintf(w, "\t%s", spentIn(b.times, p))
		}
		fmt.Fprint(w, "\t\n")
	}
	w.Flush()
	out := lines(sb.String(), n.secrets, false)
	for i := range out {
		out[i] = strings.TrimPrefix(out[i], "  ") // the padding of the first column
	}
	return out
}

// spentIn sums the times of a phase, which a build may enter more than once.
func spentIn(times []event.Time, phase string) string {
	total, found := 0.0, false
	for _, t := range times {
		if t.Phase == phase {
			total, found = total+t.Took.Seconds(), true
		}
	}
	if !found {
		return "-"
	}
	return fmt.Sprintf("%.1f", total)
}
