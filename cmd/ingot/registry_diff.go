package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/registry"
)

func newRegistryDiff(f *registryFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "diff BUCKET A B",
		Short: "Show what made the builds of two versions different",
		Long: `Diff compares two versions, which may be named by channels: for each build what
is different in its base and its steps (the files, variables and options that
made another key of it), in the places where it is, and in what is attached.`,
		Example: `  ingot registry diff web 1.3.0 1.4.0
  ingot registry diff web production staging -json`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: completeArgs(bucketArg, nameArg, nameArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.open()
			if err != nil {
				return err
			}
			a, err := find(cmd.Context(), r, args[:2])
			if err != nil {
				return err
			}
			b, err := find(cmd.Context(), r, []string{args[0], args[2]})
			if err != nil {
				return err
			}
			view := diffOf(a, b)
			return f.print(cmd.OutOrStdout(), view, view.write)
		},
	}
}

type (
	diffView struct {
		Bucket string      `json:"bucket"`
		A      string      `json:"a"`
		B      string      `json:"b"`
		Builds []buildDiff `json:"builds"`
	}
	// buildDiff is what is different in one build.
	buildDiff struct {
		Build       string     `json:"build"`
		State       string     `json:"state"` // "same", "changed", "new" or "gone"
		KeyA        string     `json:"keyA,omitempty"`
		KeyB        string     `json:"keyB,omitempty"`
		Base        []string   `json:"base,omitempty"`
		Steps       []stepDiff `json:"steps,omitempty"`
		Places      []string   `json:"places,omitempty"`      // "+ eu-west-1 ami-2"
		Attachments []string   `json:"attachments,omitempty"` // "- bom.json"
	}
	stepDiff struct {
		Step    int      `json:"step"` // from 1; of one that was removed, in A
		Name    string   `json:"name"`
		Changes []string `json:"changes"`
	}
)

func diffOf(a, b registry.Version) diffView {
	view := diffView{Bucket: a.Bucket, A: a.Name, B: b.Name, Builds: []buildDiff{}}
	for _, now := range b.Records {
		i := slices.IndexFunc(a.Records, func(old artifact.Record) bool { return old.Build == now.Build })
		if i < 0 {
			view.Builds = append(view.Builds, buildDiff{Build: now.Build, State: "new", KeyB: string(now.Key)})
			continue
		}
		view.Builds = append(view.Builds, recordDiff(a.Records[i], now))
	}
	for _, old := range a.Records {
		if !slices.ContainsFunc(b.Records, func(now artifact.Record) bool { return old.Build == now.Build }) {
			view.Builds = append(view.Builds, buildDiff{Build: old.Build, State: "gone", KeyA: string(old.Key)})
		}
	}
	return view
}

func recordDiff(old, now artifact.Record) buildDiff {
	d := buildDiff{Build: now.Build, State: "same", KeyA: string(old.Key), KeyB: string(now.Key)}
	if old.Base.Key != now.Base.Key {
		d.Base = plan.Changes(old.Base.Inputs, now.Base.Inputs)
	}
	was := plan.Counterparts(old.Steps, now.Steps)
	for _, i := range plan.Removed(len(old.Steps), was) {
		d.Steps = append(d.Steps, stepDiff{i + 1, old.Steps[i].Name, []string{"the step was removed"}})
	}
	for i, s := range now.Steps {
		if was[i] < 0 {
			d.Steps = append(d.Steps, stepDiff{i + 1, s.Name, []string{"the step is new"}})
		} else if changes := plan.Changes(old.Steps[was[i]].Inputs, s.Inputs); len(changes) > 0 {
			d.Steps = append(d.Steps, stepDiff{i + 1, s.Name, changes})
		}
	}
	d.Places = setDiff(placeTexts(old), placeTexts(now))
	d.Attachments = setDiff(attachmentTexts(old), attachmentTexts(now))
	if old.Key != now.Key || len(d.Places)+len(d.Attachments) > 0 {
		d.State = "changed"
	}
	return d
}

func placeTexts(rec artifact.Record) (out []string) {
	for _, p := range rec.Artifact.Places {
		out = append(out, p.Name+"  "+p.ID)
	}
	if img := rec.Artifact.Image; img != nil {
		out = append(out, img.Digest)
	}
	return out
}

func attachmentTexts(rec artifact.Record) (out []string) {
	for _, a := range rec.Attachments {
		out = append(out, fmt.Sprintf("%s  %s  %s", a.Name, a.Type, a.Digest))
	}
	return out
}

// setDiff says with - and + what is only in the one and only in the other.
func setDiff(old, now []string) (out []string) {
	for _, text := range old {
		if !slices.Contains(now, text) {
			out = append(out, "- "+text)
		}
	}
	for _, text := range now {
		if !slices.Contains(old, text) {
			out = append(out, "+ "+text)
		}
	}
	return out
}

func (v diffView) write(w io.Writer) error {
	var text strings.Builder
	fmt.Fprintf(&text, "%s: %s → %s\n", v.Bucket, v.A, v.B)
	for _, b := range v.Builds {
		fmt.Fprintf(&text, "\n%s: %s\n", b.Build, b.State)
		if len(b.Base) > 0 {
			fmt.Fprintf(&text, "  base  %s\n", strings.Join(b.Base, ", "))
		}
		for _, s := range b.Steps {
			fmt.Fprintf(&text, "  step %d %s  %s\n", s.Step, s.Name, strings.Join(s.Changes, ", "))
		}
		if b.State == "changed" && b.KeyA != b.KeyB && len(b.Base)+len(b.Steps) == 0 {
			fmt.Fprintf(&text, "  the same steps, lowered to other instructions\n")
		}
		for _, line := range slices.Concat(b.Places, b.Attachments) {
			fmt.Fprintf(&text, "  %s\n", line)
		}
	}
	for line := range strings.Lines(text.String()) {
		if _, err := fmt.Fprintln(w, oneLine(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}
