package main

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
)

func TestComplete(t *testing.T) {
	t.Parallel()
	names := []string{"local.up", "upper(", "var.name", "var.names", "var.other"}
	for _, c := range []struct {
		line string
		pos  int
		want string // "" where nothing is completed
	}{
		{"up", 2, "upper("},
		{"upper(va", 8, "upper(var."},
		{"var.n", 5, "var.name"},
		{"var.name", 8, ""},
		{"", 0, ""},
		{"1 + ", 4, ""},
		{"nothing", 7, ""},
		{"loc + 1", 3, "local.up + 1"},
	} {
		got, pos, ok := complete(c.line, c.pos, names)
		if ok != (c.want != "") || got != c.want {
			t.Errorf("%q at %d: %q, %t; want %q", c.line, c.pos, got, ok, c.want)
		}
		if ok && pos != c.pos+len(got)-len(c.line) {
			t.Errorf("%q at %d: the cursor is at %d", c.line, c.pos, pos)
		}
	}
}

func TestValueText(t *testing.T) {
	t.Parallel()
	hidden := cty.StringVal("hunter22").Mark(component.Sensitive)
	for want, v := range map[string]cty.Value{
		"text":                           cty.StringVal("text"),
		"12":                             cty.NumberIntVal(12),
		"0.5":                            cty.NumberFloatVal(0.5),
		"0.3333333333333333":             cty.NumberIntVal(1).Divide(cty.NumberIntVal(3)),
		"123456789012345678901234567890": cty.MustParseNumberVal("123456789012345678901234567890"),
		"0":                              cty.Zero.Negate(),
		"true":                           cty.True,
		"null":                           cty.NullVal(cty.String),
		"{\n  \"b\" = 1\n}": cty.ObjectVal(map[string]cty.Value{
			"a": cty.NullVal(cty.String), "b": cty.NumberIntVal(1), "c": cty.NullVal(cty.String).Mark(component.Sensitive)}),
		"":                         cty.StringVal("").Mark(component.Sensitive),
		"<unknown>":                cty.ListVal([]cty.Value{cty.UnknownVal(cty.String)}),
		"[]":                       cty.ListValEmpty(cty.String),
		"<sensitive>":              hidden,
		"[\n  \"<sensitive>\",\n]": cty.ListVal([]cty.Value{cty.StringVal("x")}).Mark(component.Sensitive),
		"{\n  \"a\" = {\n    \"b\" = \"<sensitive>\"\n  }\n  \"z\" = [\n    1,\n  ]\n}": cty.ObjectVal(map[string]cty.Value{
			"z": cty.TupleVal([]cty.Value{cty.NumberIntVal(1)}),
			"a": cty.MapVal(map[string]cty.Value{"b": hidden}),
		}),
	} {
		if got := valueText(v); got != want {
			t.Errorf("%#v: %s, want %s", v, got, want)
		}
	}
}

func TestDialectOf(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"ingot": "ingot", "/usr/bin/packer": "packer", "packer.exe": "packer", "./ingot": "ingot", "packer-1.9": "ingot",
	} {
		if got := dialectOf(name).name; got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}
