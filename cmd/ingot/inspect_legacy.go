package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/legacy"
	"github.com/ingot-build/ingot/internal/secret"
)

// legacyInspection prints a JSON template in the layout, and with the lines for
// programs, of Packer's inspect.
type legacyInspection struct {
	*legacy.Template
	program *program
	out     io.Writer
	redact  func(string) string
}

const legacyNote = `
Note: If your build names contain user variables or template
functions such as 'timestamp', these are processed at build time,
and therefore only show in their raw form here.
`

// entry is a line of a list, with the data of the machine-readable line that
// says the same.
type entry struct {
	text string
	data []string
}

// text prints the builders whose names are chosen.
func (in legacyInspection) text(chosen func(name string) bool) error {
	parts := []func() error{
		func() error { return in.say("Packer Inspect: JSON mode\n") },
		in.about, in.variables,
		func() error { return in.list("Builders", "template-builder", in.builders(chosen), "<No builders>\n") },
		func() error { return in.say("\n") },
		func() error {
			return in.list("Provisioners", "template-provisioner", in.provisioners(), "<No provisioners>\n")
		},
		func() error { return in.say(legacyNote) },
	}
	for _, part := range parts {
		if err := part(); err != nil {
			return err
		}
	}
	return nil
}

func (in legacyInspection) say(text string) error {
	_, err := io.WriteString(in.out, in.redact(text))
	return err
}

// list prints a list under its title.
func (in legacyInspection) list(title, record string, list []entry, none string) error {
	if err := in.say(title + ":\n\n"); err != nil {
		return err
	}
	if len(list) == 0 && none != "" {
		return in.say("  " + none)
	}
	for _, e := range list {
		if err := in.program.record(record, e.data...); err != nil {
			return err
		}
		if err := in.say("  " + e.text + "\n"); err != nil {
			return err
		}
	}
	return nil
}

func (in legacyInspection) about() error {
	if in.About() == "" {
		return nil
	}
	if err := in.say("Description:\n\n"); err != nil {
		return err
	}
	return in.say(in.About() + "\n\n")
}

func (in legacyInspection) variables() error {
	declared := slices.DeleteFunc(slices.Clone(in.Variables), func(v *legacy.Variable) bool { return v.Undeclared })
	slices.SortFunc(declared, func(a, b *legacy.Variable) int { return strings.Compare(a.Name, b.Name) })
	width := 0
	for _, v := range declared {
		width = max(width, len(v.Name))
	}
	var required, optional []entry
	for _, v := range declared {
		value, set := v.Default()
		if v.Sensitive && set {
			value = secret.Redacted
		}
		if set {
			optional = append(optional, entry{fmt.Sprintf("%-*s = %s", width, v.Name, value), []string{v.Name, in.redact(value), "0"}})
		} else {
			required = append(required, entry{v.Name, []string{v.Name, "", "1"}})
		}
	}
	if len(declared) == 0 {
		if err := in.list("Variables", "", nil, "<No variables>\n"); err != nil {
			return err
		}
		return in.say("\n")
	}
	if len(required) > 0 {
		if err := in.list("Required variables", "template-variable", required, ""); err != nil {
			return err
		}
		if err := in.say("\n"); err != nil {
			return err
		}
	}
	if err := in.list("Optional variables and their defaults", "template-variable", optional, ""); err != nil {
		return err
	}
	return in.say("\n")
}

func (in legacyInspection) builders(chosen func(string) bool) []entry {
	var out []entry
	width := 0
	for _, b := range in.Builders {
		width = max(width, len(cmp.Or(b.Name, b.Type)))
	}
	for _, b := range in.Builders {
		name := cmp.Or(b.Name, b.Type)
		if !chosen(name) {
			continue
		}
		text := fmt.Sprintf("%-*s", width, name)
		if name != b.Type {
			text += fmt.Sprintf(" (%s)", b.Type)
		}
		out = append(out, entry{text, []string{name, b.Type}})
	}
	slices.SortFunc(out, func(a, b entry) int { return strings.Compare(a.text, b.text) })
	return out
}

func (in legacyInspection) provisioners() []entry {
	var out []entry
	for _, p := range in.Provisioners {
		out = append(out, entry{p.Type, []string{p.Type}})
	}
	return out
}
