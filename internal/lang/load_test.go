package lang

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/op"
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
		"warning":       {Options{VarFiles: []string{"other.hcl"}}, "Warning: The template has no variable \"sise\"\n\n  on"},
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
		"too large":       {"", "a.pkr.hcl", strings.Repeat("#", largest+1), "It is not a file of at most 10 MB."},
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
	files := []string{"b.pkr.hcl", `build { name = "b" }`, "a.pkr.hcl", `build { name = "a" }`, "z.pkr.json", `{"build": {"name": "z"}}`,
		"i.ingot.hcl", `build { name = "i" }`, "x.pkrvars.hcl", `not = "read"`, "x.hcl", `neither {}`, ".h.pkr.hcl", `hidden {}`}
	names := func(tpl *Template) string {
		out := ""
		for _, b := range tpl.Builds {
			out += b.Name
		}
		return out
	}
	all := mustLoad(t, Options{}, files...)
	if got := names(all); got != "abzi" {
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

const withSecrets = `
variable "pw" {
  default   = "hunter2hunter2"
  sensitive = true
}
variable "pin" {
  default   = 987654
  sensitive = true
}
local "token" {
  expression = "t-${upper("oken")}"
  sensitive  = true
}
locals {
  loud = upper(var.pw)
  has  = var.pw != "" ? "yes" : "no"
}
source "null" "x" {}
build {
  sources = ["null.x"]
  provisioner "shell" {
    inline = [local.loud, local.has, "id {{ user ` + "`pin`" + ` }}"]
  }
}
`

func TestSecrets(t *testing.T) {
	t.Parallel()
	set := &secret.Set{}
	tpl := mustLoad(t, Options{Secrets: set}, "a.pkr.hcl", withSecrets)
	var got options
	p := tpl.Builds[0].Provisioners[0]
	if _, diags := p.Decode(Scope{Source: tpl.Builds[0].Sources[0]}, &got); len(diags) > 0 {
		t.Fatal(shown(tpl, diags))
	}
	if s := got.Inline[2]; s.Reveal() != "id 987654" || !s.IsSensitive() {
		t.Error(s.Reveal(), s.IsSensitive())
	}
	want := "<sensitive> <sensitive> <sensitive> <sensitive> yes no"
	if got := set.Redact("hunter2hunter2 HUNTER2HUNTER2 987654 t-OKEN yes no"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestKeys changes one thing at a time, and looks at the keyed form.
func TestKeys(t *testing.T) {
	t.Parallel()
	const src = `
variable "pw" { sensitive = true }
variable "stamp" { volatile = true }
variable "plain" {}
locals { all = "${var.pw} ${var.stamp} ${var.plain} ${timestamp()} ${uuidv4()} ${legacy_isotime("2006")} ${bcrypt(var.plain)}" }
source "null" "x" {}
build {
  sources = ["null.x"]
  provisioner "shell" {
    inline          = [local.all, "{{ timestamp }}{{ uuid }}{{ isotime }}", build.PackerRunUUID]
    execute_command = "{{ timestamp }} {{ .Path }}"
  }
}`
	base := []string{"pw=secret1", "stamp=1", "plain=a"}
	decode := func(src string, form Form, at time.Time, vars ...string) (options, *Decoded) {
		dir := write(t, "a.pkr.hcl", src)
		tpl, diags := Load(Options{Path: dir, Now: at, Version: "1.16.0", RunID: at.String(), Secrets: &secret.Set{}, Vars: append(base, vars...)})
		if len(diags) > 0 {
			t.Fatal(shown(tpl, diags))
		}
		var o options
		sc := Scope{Form: form, Source: tpl.Builds[0].Sources[0]}
		d, diags := tpl.Builds[0].Provisioners[0].Decode(sc, &o)
		if len(diags) > 0 {
			t.Fatal(shown(tpl, diags))
		}
		text, err := sc.Render(o.Execute, map[string]string{"Path": "/x"})
		if err != nil {
			t.Fatal(err)
		}
		o.Execute = text
		return o, d
	}
	allow := cmp.AllowUnexported(secret.String{})
	want, dec := decode(src, Keyed, now)
	for _, other := range []string{"pw=secret2", "stamp=2"} {
		got, d := decode(src, Keyed, now.Add(time.Hour), other)
		if diff := cmp.Diff(want, got, allow); diff != "" {
			t.Errorf("%s changes the keyed form: %s", other, diff)
		}
		if diff := cmp.Diff(dec.Inputs, d.Inputs); diff != "" {
			t.Errorf("%s changes the inputs: %s", other, diff)
		}
		if real, d := decode(src, Real, now, other); cmp.Equal(real, want, allow) || !d.Marked {
			t.Error("the real form is the keyed one")
		}
	}
	if got, _ := decode(src, Keyed, now, "plain=b"); cmp.Equal(want, got, allow) {
		t.Error("a plain variable does not count")
	}
	if got, _ := decode(strings.Replace(src, "${var.pw} ", "${var.pw}!", 1), Keyed, now); cmp.Equal(want, got, allow) {
		t.Error("an edited line does not count")
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	tpl := mustLoad(t, Options{}, "a.pkr.hcl", `
source "null" "x" {}
build {
  sources = ["null.x"]
  post-processor "shell-local" {
    inline          = ["ssh ${build.Host}", "{{ .ID }}", "${build.Password}", build.SSHPublicKey]
    execute_command = "{{ .Path }} {{ build `+"`Host`"+` }} ${build.User}"
  }
}`)
	p := tpl.Builds[0].PostProcessors[0][0]
	sc := Scope{Source: tpl.Builds[0].Sources[0], Values: op.Values{"build.Host": secret.Plain("h"), "build.ID": secret.Plain("i"),
		"build.Password": secret.Sensitive("pw"), "build.User": secret.Plain("u")}}
	var got options
	d, diags := p.Decode(sc, &got)
	if len(diags) > 0 {
		t.Fatal(shown(tpl, diags))
	}
	want := []secret.String{secret.Plain("ssh h"), secret.Plain("i"), secret.Sensitive("pw"), secret.Plain(op.Token("build.SSHPublicKey"))}
	if diff := cmp.Diff(want, got.Inline, cmp.AllowUnexported(secret.String{})); diff != "" {
		t.Error(diff)
	}
	text, err := sc.Render(got.Execute, map[string]string{"Path": "/x"})
	if err != nil || text != "/x h u" {
		t.Error(text, err)
	}
	if _, err := sc.Render("{{ .Nope }}", nil); err == nil || err.Error() != "there is no {{.Nope}} here" {
		t.Error(err)
	}
	if l := d.Range("inline").Start.Line; l != 6 {
		t.Error("inline is at line", l)
	}
	if l := d.Range("script").Start.Line; l != 5 {
		t.Error("what is not set is at line", l)
	}
}

func TestEval(t *testing.T) {
	t.Parallel()
	tpl := mustLoad(t, Options{}, "a.pkr.hcl", "", "f.txt", "content", "bin", "\xff")
	for expr, want := range map[string]string{
		`abs(-1)`: "1", `alltrue([true, "true"])`: "true", `anytrue([false, null])`: "false", `sum([1, 2.5])`: "3.5",
		`length("äb")`: "2", `length({ a = 1 })`: "1", `index(["a", "b"], "b")`: "1", `replace("a.b", ".", "-")`: "a-b",
		`replace("a1b2", "/[0-9]/", "#")`: "a#b#", `regex_replace("2026-01", "-", "")`: "202601",
		`startswith("abc", "ab")`: "true", `endswith("abc", "ab")`: "false", `strcontains("abc", "b")`: "true",
		`base64encode("x")`: "eA==", `textdecodebase64(textencodebase64("ä", "UTF-16LE"), "UTF-16LE")`: "ä",
		`length(base64gzip("x")) > 10`: "true", `md5("x")`: "9dd4e461268c8034f5c8564e155c67a6",
		`cidrhost("10.0.0.0/8", 2)`: "10.0.0.2", `coalesce(null, "", "x")`: "x", `try(nothing.x, "else")`: "else", `can(local.nothing)`: "false",
		`file("f.txt")`: "content", `filebase64("bin")`: "/w==", `fileexists("nothing")`: "false", `join(",", fileset(".", "*.txt"))`: "f.txt",
		`timestamp()`: "2026-03-04T05:06:07Z", `formatdate("YYYYMMDD", timestamp())`: "20260304", `timeadd(timestamp(), "1h")`: "2026-03-04T06:06:07Z",
		`legacy_isotime()`: "2026-03-04T05:06:07Z", `legacy_isotime("2006-01")`: "2026-03", `legacy_strftime("%Y-%m-%d %H:%M:%S %a %j %U %%")`: "2026-03-04 05:06:07 Wed 063 09 %",
		`legacy_strftime("%C %k %l %s %u %w %W %V %p %e")`: "20  5  5 1772600767 3 3 09 10 AM  4",
		`rfc3339_parse("2023-07-25 23:43:16Z").unix`:       "1690328596", `unix_timestamp_parse(1690328596).rfc3339`: "2023-07-25T23:43:16Z",
		`unix_timestamp_parse(1690328596).weekday_name`: "Tuesday", `yamldecode("a: 1").a`: "1", `jsondecode("[1]")[0]`: "1",
		`convert("1", number) + 1`: "2", `length(uuidv4())`: "36", `substr(bcrypt("x"), 0, 4)`: "$2a$", `packer.version`: "1.16.0", `env("A")`: "env() can be called in the default",
		`sum([])`: "the sum of no numbers", `textencodebase64("ä", "x")`: `there is no encoding "x"`, `textdecodebase64("!", "utf-8")`: "not Base64",
		`legacy_strftime("%Q")`: "the format has no %Q", `legacy_strftime("%")`: "the format ends in %", `bcrypt("x", 99)`: "the cost is one number",
		`rfc3339_parse("x")`: "not an RFC 3339 time", `unix_timestamp_parse(1.5)`: "a whole number", `file("bin")`: "is not UTF-8 text", `file("none")`: "none: no such file",
		`fileexists(".")`: "is not a file", `index(["a"], "z")`: "does not have this element", `jsondecode(join("", [for i in range(1001) : "["]))`: "may nest 1000 deep",
		`length(3)`: "a list, a set, a map", `vault("a", "b")`: "vault() is not supported", `yamldecode("a: [")`: "did not find",
	} {
		e, diags := hclsyntax.ParseExpression([]byte(expr), "x", hcl.InitialPos)
		if diags.HasErrors() {
			t.Fatal(diags)
		}
		v, ds := tpl.eval(Real, e, tpl.root[Real])
		got := shown(nil, ds)
		if !ds.HasErrors() {
			v, _ = v.UnmarkDeep()
			got = asText(v)
		}
		if got != want && !(ds.HasErrors() && strings.Contains(got, want)) {
			t.Errorf("%s: got %s, want %s", expr, got, want)
		}
	}
}

func asText(v cty.Value) string {
	if l := leaves(v); len(l) == 1 {
		return l[0]
	}
	return map[bool]string{true: "true", false: "false"}[v.RawEquals(cty.True)]
}
