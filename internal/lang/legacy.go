package lang

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/legacy"
)

// isLegacy reports whether a template's file is a JSON template as Packer's
// were before HCL2.
func (t *Template) isLegacy(name string) bool {
	return !t.folder && t.options.ConfigType != "hcl2" && !strings.HasSuffix(name, ".hcl") && !strings.HasSuffix(name, ".pkr.json")
}

// parseTemplate parses a file of the template.
func (t *Template) parseTemplate(name string, src []byte) (*hcl.File, hcl.Diagnostics) {
	if t.isLegacy(name) {
		return t.parseLegacy(name, src)
	}
	return t.parse(name, src)
}

// Legacy returns the JSON template that this was read from, nil where it is HCL.
func (t *Template) Legacy() *legacy.Template {
	if !t.legacy {
		return nil
	}
	src, _ := t.readSource(t.Path) // its errors were said
	out, _ := legacy.Read(t.Path, src)
	return out
}

// nameLegacy names the builds of a JSON template as their builders.
func (t *Template) nameLegacy() {
	for _, b := range t.Builds {
		for _, s := range b.Sources {
			if t.legacy {
				s.Name, s.legacy = s.LocalName, true
			}
		}
	}
}

// parseLegacy parses such a file.
func (t *Template) parseLegacy(name string, src []byte) (*hcl.File, hcl.Diagnostics) {
	t.legacy = true
	t.Files[name] = &hcl.File{Bytes: legacy.Snippets(src)}
	given, diags := t.legacyGiven()
	f, ds := legacy.File(name, src, given, func(name string) string { v, _ := t.environ(name); return v })
	if ds.HasErrors() && !strings.HasPrefix(strings.TrimSpace(string(src)), "{") {
		for _, d := range ds {
			d.Detail += " The names of HCL templates end in .pkr.hcl; -config-type=hcl2 reads any file as HCL."
		}
	}
	diags = append(diags, ds...)
	if f != nil {
		t.Files[name] = f
	}
	return f, diags
}

// legacyGiven returns the values that are given for a JSON template's
// variables, the last one for each: all are text.
func (t *Template) legacyGiven() ([]legacy.Given, hcl.Diagnostics) {
	var out []legacy.Given
	var diags hcl.Diagnostics
	add := func(g legacy.Given) {
		out = slices.DeleteFunc(out, func(o legacy.Given) bool { return o.Name == g.Name })
		out = append(out, g)
	}
	for _, file := range t.options.VarFiles {
		src, ds := readFile(file)
		diags = append(diags, ds...)
		if ds.HasErrors() {
			continue
		}
		t.Files[file] = &hcl.File{Bytes: legacy.Snippets(src)}
		values, ds := legacy.Values(file, src)
		diags = append(diags, ds...)
		for _, g := range values {
			add(g)
		}
	}
	for _, arg := range t.options.Vars {
		name, text, ok := strings.Cut(arg, "=")
		if ok { // what is not is said with the other variables
			add(legacy.Given{Name: name, Text: text, Source: "-var"})
		}
	}
	return out, diags
}

// givenLegacy is givenValues of a JSON template. What was given to a variable
// that is made of others is in the template already.
func (t *Template) givenLegacy() (map[string]*given, hcl.Diagnostics) {
	out := map[string]*given{}
	list, _ := t.legacyGiven() // its errors were said
	for _, g := range list {
		if t.vars[g.Name] != nil && !strings.Contains(g.Text, "{{") {
			out[g.Name] = &given{source: g.Source, raw: g.Text}
		}
	}
	var diags hcl.Diagnostics
	for _, arg := range t.options.Vars {
		if !strings.Contains(arg, "=") {
			diags = append(diags, noValue(arg))
		}
	}
	return out, diags
}

// readSource reads a template, from its file or where it is in memory.
func (t *Template) readSource(name string) ([]byte, hcl.Diagnostics) {
	if src, ok := t.options.Sources[name]; ok {
		return src, nil
	}
	return readFile(name)
}
