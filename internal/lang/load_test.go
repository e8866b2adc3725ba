package lang

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/secret"
)

// now is the time of all tests.
var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// write writes files, alternating names and contents, to a new folder.
func write(t testing.TB, files ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// load loads a folder of these files, or, with Path set, one of them.
func load(t testing.TB, o Options, files ...string) (*Template, hcl.Diagnostics) {
	t.Helper()
	dir := write(t, files...)
	o.Path = filepath.Join(dir, o.Path)
	for i, f := range o.VarFiles {
		o.VarFiles[i] = filepath.Join(dir, f)
	}
	o.Now, o.Version, o.RunID = now, "1.16.0", "run-1"
	if o.Secrets == nil {
		o.Secrets = &secret.Set{}
	}
	return Load(o)
}

// mustLoad loads a template that has no errors and no warnings.
func mustLoad(t testing.TB, o Options, files ...string) *Template {
	t.Helper()
	tpl, diags := load(t, o, files...)
	if len(diags) > 0 {
		t.Fatal(shown(tpl, diags))
	}
	return tpl
}

// shown is diagnostics as a user sees them.
func shown(t *Template, diags hcl.Diagnostics) string {
	var b strings.Builder
	var files map[string]*hcl.File
	if t != nil {
		files = t.Files
	}
	if err := hcl.NewDiagnosticTextWriter(&b, files, 0, false).WriteDiagnostics(diags); err != nil {
		return err.Error()
	}
	return b.String()
}

func TestPrecedence(t *testing.T) {
	t.Parallel()
	all := []string{
		"a.pkr.hcl", "variable \"x\" {\n default = \"default\"\n}\nvariable \"y\" {\n default = \"y\"\n}",
		"a.auto.pkrvars.hcl", `x = "auto.hcl"`, "b.auto.pkrvars.json", `{"x": "auto.json"}`,
		"one.anything", `x = "one"`, "two.json", `{"x": "two"}`,
	}
	env := []string{"PKR_VAR_x=env", "PKR_VAR_other=ignored"}
	for name, tc := range map[string]struct {
		files []string
		o     Options
		want  string // value and source
	}{
		"default":                 {all[:2], Options{}, "default from default"},
		"environment":             {all[:2], Options{Environ: env}, "env from env"},
		"ingot's own environment": {all[:2], Options{Environ: append([]string{"INGOT_VAR_x=ingot"}, env...)}, "ingot from env"},
		"auto hcl":                {all[:4], Options{Environ: env}, "auto.hcl from a.auto.pkrvars.hcl"},
		"auto json":               {all[:6], Options{Environ: env}, "auto.json from b.auto.pkrvars.json"},
		"no auto for one file":    {all[:6], Options{Path: "a.pkr.hcl", Environ: env}, "env from env"},
		"var file":                {all, Options{Environ: env, VarFiles: []string{"one.anything"}}, "one from one.anything"},
		"last var file":           {all, Options{VarFiles: []string{"one.anything", "two.json"}}, "two from two.json"},
		"var":                     {all, Options{VarFiles: []string{"two.json"}, Vars: []string{"x=1", "x=a=b"}}, "a=b from -var"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := mustLoad(t, tc.o, tc.files...).Variables[0]
			if got := v.Value + " from " + filepath.Base(v.Source); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestRawValues(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ decl, raw, want string }{
		"string":             {`type = string`, `"a"`, `"a"`},
		"number":             {`type = number`, `12`, `12`},
		"untyped":            {``, `[1]`, `[1]`},
		"bool":               {`type = bool`, `true`, `true`},
		"list":               {`type = list(string)`, `["a", 1]`, `["a","1"]`},
		"map":                {`type = map(number)`, `{ a = 1 }`, `{"a":1}`},
		"object":             {`type = object({ a = string, b = optional(number, 7) })`, `{ a = 1 }`, `{"a":"1","b":7}`},
		"set":                {`type = set(string)`, `["b", "a", "b"]`, `["a","b"]`},
		"by the default":     {`default = 3`, `4`, `4`},
		"bool by default":    {`default = true`, `false`, `false`},
		"list by default":    {`default = ["a"]`, `["x", "y"]`, `["x","y"]`},
		"null default":       {`default = null`, `text`, `text`},
		"any":                {`type = any`, `a b`, `a b`},
		"wrong number":       {`type = number`, `x`, `error: It needs a value of type number: a number is required.`},
		"wrong list":         {`type = list(string)`, `[`, `error: Its value from -var is not an expression of type list of string:`},
		"a call":             {`type = list(string)`, `[file("x")]`, `error: Its value from -var is not an expression of type list of string:`},
		"not of the type":    {`type = list(string)`, `{ a = 1 }`, `error: It needs a value of type list(string)`},
		"nested too deep":    {`type = list(string)`, strings.Repeat("[", 30_000), `error: Its value from -var`},
		"not UTF-8":          {`type = list(string)`, "\xff", `error: Its value from -var`},
		"null for any other": {`type = list(string)`, `null`, `null`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tpl, diags := load(t, Options{Vars: []string{"x=" + tc.raw}}, "a.pkr.hcl", "variable \"x\" {\n"+tc.decl+"\n}")
			got := tpl.Variables[0].Value
			if diags.HasErrors() {
				got = "error: " + diags[0].Detail
			}
			if got != tc.want && !(strings.HasPrefix(tc.want, "error") && strings.HasPrefix(got, tc.want)) {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

func TestGivenErrors(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		o    Options
		want string
	}{
		"undeclared":    {Options{Vars: []string{"sice=1"}}, `Error: The template has no variable "sice"` + "\n\n" + `It is given with -var. Did you mean "size"?`},
		"no value":      {Options{Vars: []string{"size"}}, "Error: -var needs a value\n\nWrite -var 'size=…'."},
		"missing file":  {Options{VarFiles: []string{"nothing.hcl"}}, "nothing.hcl\n\nNo such file or directory."},
		"broken file":   {Options{VarFiles: []string{"broken.hcl"}}, "broken.hcl line 2:\n   2: size = \n"},
		"wrong type":    {Options{VarFiles: []string{"wrong.hcl"}}, "wrong.hcl line 1:\n   1: size = \"x\"\n\nIt needs a value of type number: a number is required."},
		"warning":       {Options{WarnUndeclared: true, VarFiles: []string{"other.hcl"}}, "Warning: The template has no variable \"sise\"\n\n  on"},
		"secret":        {Options{VarFiles: []string{"secret.hcl"}}, "secret.hcl:1: a constant is needed, text in quotes."},
		"secret's type": {Options{VarFiles: []string{"list.hcl"}}, "It needs a value of type string: string required"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tpl, diags := load(t, tc.o, "a.pkr.hcl", "variable \"size\" {\n default = 1\n}\nvariable \"pw\" {\n type = string\n sensitive = true\n default = null\n}",
				"broken.hcl", "\nsize = \n", "wrong.hcl", `size = "x"`, "other.hcl", "sise = 1", "secret.hcl", "pw = hunter2", "list.hcl", `pw = ["hunter2"]`)
			got := shown(tpl, diags)
			if !strings.Contains(got, tc.want) || strings.Contains(got, "hunter2") {
				t.Errorf("got %s\nwant %s", got, tc.want)
			}
		})
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	deep := func(open, end string) string {
		return "locals {\n a = " + strings.Repeat(open, 30_000) + "1" + strings.Repeat(end, 30_000) + "\n}"
	}
	for name, tc := range map[string]struct{ path, name, content, want string }{
		"no folder":       {"nothing", "a", "", "Error: Can't read "},
		"empty folder":    {"", "a.txt", "", "Error: No template in "},
		"not UTF-8":       {"", "a.pkr.hcl", "# ok\nlocals { a = \"\xff\" }", "a.pkr.hcl line 2:"},
		"too large":       {"", "a.pkr.hcl", strings.Repeat("#", largest+1), "It is not a file of at most 4 MB."},
		"brackets":        {"", "a.pkr.hcl", deep("[", "]"), "Error: Nested too deep"},
		"parentheses":     {"", "a.pkr.hcl", deep("(", ")"), "Error: Nested too deep"},
		"never closed":    {"", "a.pkr.hcl", deep("{", ""), "Error: Nested too deep"},
		"negations":       {"", "a.pkr.hcl", deep("!", ""), "Error: Nested too deep"},
		"sums":            {"", "a.pkr.hcl", deep("1+", ""), "Error: Nested too deep"},
		"conditions":      {"", "a.pkr.hcl", deep("a?b:", ""), "Error: Nested too deep"},
		"templates":       {"", "a.pkr.hcl", deep(`"${`, `}"`), "Error: Nested too deep"},
		"directives":      {"", "a.pkr.hcl", `locals { a = "` + strings.Repeat("%{if true}", 30_000) + `"`, "Error: Nested too deep"},
		"indexes":         {"", "a.pkr.hcl", "locals {\n a = b" + strings.Repeat("[x]", 30_000) + "\n}", "Error: Nested too deep"},
		"attributes":      {"", "a.pkr.hcl", "locals {\n a = b" + strings.Repeat(".x", 30_000) + "\n}", "Error: Nested too deep"},
		"blocks":          {"", "a.pkr.hcl", strings.Repeat("a {\n", 30_000), "Error: Nested too deep"},
		"JSON":            {"", "a.pkr.json", strings.Repeat(`{"a":`, 30_000), "Error: Nested too deep"},
		"JSON's template": {"", "a.pkr.json", `{"locals": {"a": "` + strings.Repeat("${[", 30_000) + `"}}`, "Error: Nested too deep"},
		"broken JSON":     {"", "a.pkr.json", `{"locals": `, "a.pkr.json line 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tpl, diags := load(t, Options{Path: tc.path}, tc.name, tc.content)
			if len(diags) == 0 || !diags.HasErrors() {
				t.Fatal("no error")
			}
			if got := shown(nil, diags); !strings.Contains(got, tc.want) {
				t.Errorf("got %.500s\nwant %s", got, tc.want)
			}
			if (tpl == nil) != (tc.path == "nothing") {
				t.Error("a template is there when its folder is")
			}
		})
	}
	long := "locals {\n" + strings.Repeat("  a = [1, 2, {\n    b = 1 + 2\n  }]\n  b = \"${1}${2}\"\n", 1)
	for range 3000 {
		long += "  # one more\n"
	}
	mustLoad(t, Options{}, "a.pkr.hcl", long+strings.Join(manyLocals(3000), "")+"}")
}

func manyLocals(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("  l%d", i) + " = [1 + 2, { a = (3) }, \"${1}\"]\n"
	}
	return out
}

func TestFiles(t *testing.T) {
	t.Parallel()
	files := []string{"b.pkr.hcl", "build {\n name = \"b\"\n sources = null\n}", "a.pkr.hcl", "build {\n name = \"a\"\n sources = null\n}", "z.pkr.json", `{"build": {"name": "z", "sources": null}}`,
		"i.ingot.hcl", "build {\n name = \"i\"\n sources = null\n}", "x.pkrvars.hcl", `not = "read"`, "x.hcl", `neither {}`, ".h.pkr.hcl", "build {\n name = \"h\"\n sources = null\n}"}
	names := func(tpl *Template) string {
		out := ""
		for _, b := range tpl.Builds {
			out += b.Name
		}
		return out
	}
	all := mustLoad(t, Options{}, files...)
	if got := names(all); got != "habzi" {
		t.Error(got)
	}
	one := mustLoad(t, Options{Path: "b.pkr.hcl"}, files...)
	if names(one) != "b" || filepath.Base(one.Dir) == "b.pkr.hcl" || one.Digest == all.Digest || len(one.Digest) != 64 {
		t.Errorf("%s %s %s", names(one), one.Dir, one.Digest)
	}
	if again := mustLoad(t, Options{}, files...); again.Digest != all.Digest {
		t.Error("the same files have another digest in another folder")
	}
}

func TestAppliesTo(t *testing.T) {
	t.Parallel()
	s := &Source{Type: "docker", Name: "web", LocalName: "web:1"}
	for _, tc := range []struct {
		only, except []string
		want         bool
	}{
		{nil, nil, true}, {[]string{"docker.web:1"}, nil, true}, {[]string{"web:1"}, nil, true}, {[]string{"docker.web"}, nil, false},
		{[]string{"docker.*"}, nil, false}, {nil, []string{"docker.web:1"}, false}, {nil, []string{"web:1"}, false}, {nil, []string{"x"}, true}, {[]string{}, []string{}, true},
	} {
		p := &Provisioner{Only: tc.only, Except: tc.except}
		pp := &PostProcessor{Only: tc.only, Except: tc.except}
		if p.AppliesTo(s) != tc.want || pp.AppliesTo(s) != tc.want {
			t.Errorf("%v %v: want %v", tc.only, tc.except, tc.want)
		}
	}
}
