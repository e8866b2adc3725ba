package plan

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
)

// Summary says in one line why an unchanged build is known to be so.
func (b *Build) Summary() string {
	since := "unchanged"
	if b.Version != "" {
		since += " since " + b.Version
	}
	id := ""
	if b.Record != nil {
		id = b.Record.Artifact.ID
		if b.InPlace() && len(b.Record.Artifact.Places) == 1 {
			id = b.Record.Artifact.Places[0].Name
		}
	}
	return fmt.Sprintf("%s (%s): base, %s, %s", since, id, count(len(b.Steps), "step"), count(b.Files(), "file"))
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Text prints the plan for people. Paint colours a text: "green", "yellow",
// "red" or "dim".
func (p *Plan) Text(w io.Writer, paint func(colour, text string) string) error {
	ew := &errWriter{w: w}
	p.tree(ew, paint)
	for _, b := range p.Builds {
		b.text(ew, paint)
	}
	todo, test, distribute, failed := 0, 0, 0, 0
	for _, b := range p.Builds {
		switch {
		case b.Status == Failed:
			failed++
		case b.Status != Unchanged:
			todo++
		case b.Test:
			test++
		case b.Distribute:
			distribute++
		}
	}
	if todo+test+distribute+failed == 0 {
		ew.printf("Nothing to do: %s unchanged.\n", count(len(p.Builds), "build"))
		return ew.err
	}
	ew.printf("%s to run", count(todo, "build"))
	for _, more := range []struct {
		n    int
		what string
	}{{test, "to test"}, {distribute, "to distribute"}, {failed, "can't be planned"}} {
		if more.n > 0 {
			ew.printf(", %d %s", more.n, more.what)
		}
	}
	ew.printf(", %d unchanged.\n", len(p.Builds)-todo-test-distribute-failed)
	return ew.err
}

func (b *Build) text(w *errWriter, paint func(string, string) string) {
	switch b.Status {
	case Unchanged:
		var will []string
		if b.Test {
			will = append(will, "will test: "+b.TestNames())
		}
		if b.Distribute {
			will = append(will, "will distribute"+b.undistributed())
		}
		if len(will) > 0 {
			w.printf("%s %s: %s; %s\n\n", paint("yellow", "~"), b.Address, b.Summary(), paint("yellow", strings.Join(will, "; ")))
			return
		}
		w.printf("%s %s: %s\n\n", paint("green", "="), b.Address, b.Summary())
		return
	case Failed:
		w.printf("%s %s: %v\n", paint("red", "!"), b.Address, b.Err)
		if hint := builders.Hint(b.Err); hint != "" {
			w.printf("    hint: %s\n", hint)
		}
		w.printf("\n")
		return
	}
	known := 0
	for _, s := range b.Steps {
		if s.Known {
			known++
		}
	}
	w.printf("%s %s: %d of %s to run%s\n", paint("yellow", "~"), b.Address, len(b.Steps)-known, count(len(b.Steps), "step"), compared(b.Version))
	w.printf("    base  %s%s\n", b.BaseRecord.Name, paint("yellow", reasons(b.Reasons)))
	if b.From != nil {
		w.printf("    from  %s%s\n", b.Beginning(), paint("dim", ", of "+b.From.Created.Local().Format(time.DateTime)))
	}
	for _, r := range b.Fallback {
		w.printf("          %s\n", paint("yellow", r.Text))
	}
	for i, s := range b.Steps {
		mark, why := paint("yellow", "~"), paint("yellow", reasons(s.Reasons))
		if s.Known {
			mark, why = paint("green", "="), paint("dim", "  known")
			if b.From != nil && i < b.From.Step {
				why = paint("dim", "  in the checkpoint")
			}
		}
		w.printf("  %s %-4d  %s%s%s\n", mark, i+1, s.Name, paint("dim", place(s)), why)
	}
	for _, x := range b.Tests {
		w.printf("  %s test  %s%s\n", paint("yellow", "~"), x.Name, paint("dim", "  ("+x.Where()+")"))
	}
	w.printf("\n")
}

// undistributed says why an image that is there is to be distributed.
func (b *Build) undistributed() string {
	if b.Record.Distributed == "" {
		return ": it has not been done yet"
	}
	return ": names, places, tags or shares changed"
}

func compared(version string) string {
	if version == "" {
		return ""
	}
	return ", compared with " + version
}

func place(s *Step) string {
	if at := s.Where(); at != "" {
		return "  (" + at + ")"
	}
	return ""
}

func reasons(list []Reason) string {
	if len(list) == 0 {
		return ""
	}
	const most = 5
	var texts []string
	for i, r := range list {
		if i == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(list)-most))
			break
		}
		texts = append(texts, r.Text)
	}
	return "  " + strings.Join(texts, ", ")
}

type errWriter struct {
	w   io.Writer
	err error
}

func (e *errWriter) printf(format string, args ...any) {
	if e.err == nil {
		_, e.err = fmt.Fprintf(e.w, format, args...)
	}
}

type jsonBuild struct {
	Build      string     `json:"build"`
	Bucket     string     `json:"bucket"`
	Status     Status     `json:"status"`
	Distribute bool       `json:"distribute,omitempty"`
	Version    string     `json:"version,omitempty"`
	Key        string     `json:"key,omitempty"`
	Base       string     `json:"base,omitempty"`
	Artifact   string     `json:"artifact,omitempty"` // id of what is recorded, where unchanged
	Parents    []string   `json:"parents,omitempty"`  // addresses of the builds whose images it takes
	Reasons    []Reason   `json:"reasons,omitempty"`
	Error      string     `json:"error,omitempty"`
	Hint       string     `json:"hint,omitempty"`     // what to do about the error
	From       *jsonFrom  `json:"from,omitempty"`     // the checkpoint that it begins with
	Fallback   []Reason   `json:"fallback,omitempty"` // why it does not begin with a later one
	Steps      []jsonStep `json:"steps"`
	Test       bool       `json:"test,omitempty"` // unchanged, and yet to pass its tests
	Tests      []jsonTest `json:"tests,omitempty"`
}

type jsonTest struct {
	Name  string `json:"name"`
	Where string `json:"where"`
}

type jsonFrom struct {
	Step     int       `json:"step"` // the last one that is in it, from 1
	Name     string    `json:"name"`
	Artifact string    `json:"artifact"`
	Created  time.Time `json:"created"`
}

type jsonStep struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Where   string   `json:"where"`
	Key     string   `json:"key,omitempty"`
	Known   bool     `json:"known"`
	Reasons []Reason `json:"reasons,omitempty"`
}

// JSON prints the plan for programs: {"todo": bool, "builds": […]}.
func (p *Plan) JSON(w io.Writer) error {
	out := struct {
		Todo   bool        `json:"todo"`
		Builds []jsonBuild `json:"builds"`
	}{p.Todo(), []jsonBuild{}}
	for _, b := range p.Builds {
		jb := jsonBuild{Build: b.Address, Bucket: b.Publish.Bucket, Status: b.Status, Distribute: b.Distribute, Version: b.Version,
			Key: string(b.Key), Base: b.BaseRecord.ID, Reasons: b.Reasons, Steps: []jsonStep{}}
		for _, parent := range b.Parents {
			jb.Parents = append(jb.Parents, parent.Address)
		}
		if b.Err != nil {
			jb.Error, jb.Hint = b.Err.Error(), builders.Hint(b.Err)
		}
		if b.Record != nil {
			jb.Artifact = b.Record.Artifact.ID
		}
		if f := b.From; f != nil {
			jb.From = &jsonFrom{f.Step, f.Name, f.Artifact.ID, f.Created}
		}
		jb.Fallback = b.Fallback
		for _, s := range b.Steps {
			jb.Steps = append(jb.Steps, jsonStep{Name: s.Name, Type: s.Type, Where: s.Where(), Key: string(s.Key), Known: s.Known, Reasons: s.Reasons})
		}
		jb.Test = b.Test
		for _, x := range b.Tests {
			jb.Tests = append(jb.Tests, jsonTest{x.Name, x.Where()})
		}
		out.Builds = append(out.Builds, jb)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}
