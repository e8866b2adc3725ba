package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/lang"
)

// inspection is what inspect shows of a template.
type inspection struct {
	Variables []inspectedVariable `json:"variables"`
	Locals    []inspectedLocal    `json:"locals"`
	Builds    []inspectedBuild    `json:"builds"`

	redact func(string) string
}

type inspectedVariable struct {
	Name        string `json:"name"`
	Type        string `json:"type"`
	Description string `json:"description,omitempty"`
	Value       any    `json:"value"` // not there where it is unknown
	Unknown     bool   `json:"unknown,omitempty"`
	Source      string `json:"source,omitempty"` // where the value comes from
	Sensitive   bool   `json:"sensitive,omitempty"`
	Volatile    bool   `json:"volatile,omitempty"`

	text string
}

type inspectedLocal struct {
	Name    string `json:"name"`
	Value   any    `json:"value"`
	Unknown bool   `json:"unknown,omitempty"`

	text string
}

type inspectedBuild struct {
	Name           string                 `json:"name,omitempty"`
	Description    string                 `json:"description,omitempty"`
	Sources        []inspectedSource      `json:"sources"`
	Provisioners   []inspectedComponent   `json:"provisioners"`
	Tests          []inspectedTest        `json:"tests,omitempty"`
	PostProcessors [][]inspectedComponent `json:"post_processors"` // chains
}

type inspectedSource struct {
	Address string `json:"address"` // what -only and -except match
	Type    string `json:"type"`
	Name    string `json:"name"`
	// Parents are the builds whose images it takes.
	Parents []string `json:"parents,omitempty"`
}

// parentsOf returns the addresses of the builds whose images a source takes.
func parentsOf(s *lang.Source) []string {
	var out []string
	for _, p := range s.Parents() {
		out = append(out, p.Address)
	}
	return out
}

type inspectedTest struct {
	Name         string               `json:"name"`
	Provisioners []inspectedComponent `json:"provisioners"`
}

type inspectedComponent struct {
	Type string `json:"type"`
	Name string `json:"name,omitempty"`
}

func (c inspectedComponent) String() string {
	if c.Name == "" {
		return c.Type
	}
	return c.Type + "." + c.Name
}

// inspectionOf shows the builds whose addresses are chosen.
func inspectionOf(t *lang.Template, chosen func(address string) bool) inspection {
	in := variablesOf(t)
	in.Builds = []inspectedBuild{}
	for _, b := range t.Builds {
		view := inspectedBuild{Name: b.Name, Description: b.Description,
			Sources: []inspectedSource{}, Provisioners: []inspectedComponent{}, PostProcessors: [][]inspectedComponent{}}
		for _, s := range b.Sources {
			if chosen(b.Address(s)) {
				view.Sources = append(view.Sources, inspectedSource{b.Address(s), s.Type, s.LocalName, parentsOf(s)})
			}
		}
		for _, p := range b.Provisioners {
			view.Provisioners = append(view.Provisioners, inspectedComponent{p.Type, p.Name})
		}
		for _, x := range b.Tests {
			test := inspectedTest{Name: x.Name}
			for _, p := range x.Provisioners {
				test.Provisioners = append(test.Provisioners, inspectedComponent{p.Type, p.Name})
			}
			view.Tests = append(view.Tests, test)
		}
		for _, chain := range b.PostProcessors {
			var list []inspectedComponent
			for _, p := range chain {
				list = append(list, inspectedComponent{p.Type, p.Name})
			}
			view.PostProcessors = append(view.PostProcessors, list)
		}
		in.Builds = append(in.Builds, view)
	}
	return in
}

// variablesOf is the part that the console shows too.
func variablesOf(t *lang.Template) inspection {
	in := inspection{Variables: []inspectedVariable{}, Locals: []inspectedLocal{}, redact: func(s string) string { return s }}
	for _, v := range t.Variables {
		in.Variables = append(in.Variables, inspectedVariable{Name: v.Name, Type: v.Type, Description: v.Description,
			Value: valueJSON(v.Real(), false), Unknown: unknown(v.Real()), text: valueText(v.Real()), Source: v.Source, Sensitive: v.Sensitive, Volatile: v.Volatile})
	}
	slices.SortFunc(in.Variables, func(a, b inspectedVariable) int { return strings.Compare(a.Name, b.Name) })
	for _, name := range t.Locals() {
		v := t.Local(name)
		in.Locals = append(in.Locals, inspectedLocal{name, valueJSON(v, false), unknown(v), valueText(v)})
	}
	return in
}

// text prints in the layout of Packer's inspect.
func (in inspection) text(w io.Writer) error {
	for _, part := range []string{"Packer Inspect: HCL2 mode\n\n", in.values() + "\n", in.builds()} {
		if _, err := io.WriteString(w, in.redact(part)); err != nil {
			return err
		}
	}
	return nil
}

func (in inspection) values() string {
	var out strings.Builder
	out.WriteString("> input-variables:\n\n")
	for _, v := range in.Variables {
		fmt.Fprintf(&out, "var.%s: %q\n", v.Name, v.text)
	}
	out.WriteString("\n> local-variables:\n\n")
	for _, l := range in.Locals {
		fmt.Fprintf(&out, "local.%s: %q\n", l.Name, l.text)
	}
	return out.String()
}

func (in inspection) builds() string {
	var out strings.Builder
	out.WriteString("> builds:\n")
	for i, b := range in.Builds {
		name := b.Name
		if name == "" {
			name = fmt.Sprintf("<unnamed build %d>", i)
		}
		fmt.Fprintf(&out, "\n  > %s:\n", name)
		if b.Description != "" {
			fmt.Fprintf(&out, "\n  > Description: %s\n", b.Description)
		}
		b.text(&out)
	}
	out.WriteString("\n")
	return out.String()
}

func (b inspectedBuild) text(out *strings.Builder) {
	out.WriteString("\n    sources:\n")
	for _, s := range b.Sources {
		follows := ""
		if len(s.Parents) > 0 {
			follows = " (takes the image of " + strings.Join(s.Parents, ", ") + ")"
		}
		fmt.Fprintf(out, "\n      %s.%s%s\n", s.Type, s.Name, follows)
	}
	if len(b.Sources) == 0 {
		out.WriteString("\n      <no source>\n")
	}
	out.WriteString("\n    provisioners:\n\n")
	for _, p := range b.Provisioners {
		fmt.Fprintf(out, "      %s\n", p)
	}
	if len(b.Provisioners) == 0 {
		out.WriteString("      <no provisioner>\n")
	}
	if len(b.Tests) > 0 {
		out.WriteString("\n    tests:\n\n")
	}
	for _, x := range b.Tests {
		var names []string
		for _, p := range x.Provisioners {
			names = append(names, p.String())
		}
		fmt.Fprintf(out, "      %s: %s\n", x.Name, strings.Join(names, ", "))
	}
	out.WriteString("\n    post-processors:\n")
	for i, chain := range b.PostProcessors {
		fmt.Fprintf(out, "\n      %d:\n", i)
		for _, p := range chain {
			fmt.Fprintf(out, "        %s\n", p)
		}
	}
	if len(b.PostProcessors) == 0 {
		out.WriteString("\n      <no post-processor>\n")
	}
}

// printJSON prints v for programs.
func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
