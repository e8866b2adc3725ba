package lang

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// soon fails a test that has no answer.
func soon(t *testing.T, what string, do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		panic("no answer within a minute: " + what)
	}
}

// seeds are the contents of the files that patterns match.
func seeds(f *testing.F, patterns ...string) {
	for _, p := range patterns {
		names, err := filepath.Glob(p)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range names {
			src, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
}

// loadAll loads a file as a template, and decodes what it has.
func loadAll(t *testing.T, name string, src []byte) {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, src, 0o600); err != nil {
		t.Fatal(err)
	}
	soon(t, string(src), func() {
		tpl, diags := Load(Options{Path: path, Now: now, Version: "1.16.0", RunID: "run-1", Secrets: &secret.Set{}, OpenSecrets: true})
		_ = shown(tpl, diags)
		if tpl == nil {
			return
		}
		for _, b := range tpl.Builds {
			for _, s := range b.Sources {
				for _, form := range []Form{Real, Keyed} {
					sc := Scope{Form: form, Source: s}
					_, _ = s.Decode(sc, &options{})
					for _, p := range b.Provisioners {
						_, diags := p.Decode(sc, &options{})
						if form == Keyed && diags.HasErrors() {
							continue // as the names of the sources it overrides
						}
					}
				}
			}
		}
	})
}

// FuzzLoad loads any text as a template in HCL.
func FuzzLoad(f *testing.F) {
	seeds(f, "testdata/golden/*/*.hcl", "testdata/errors/*.hcl")
	f.Add([]byte("a = \"$$${\" # ((\nb = [1 /* ( */, \"\\\\${ {} }%{if x}\"]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		loadAll(t, "a.pkr.hcl", src)
		if tokens, _ := hclsyntax.LexConfig(src, "a.pkr.hcl", hcl.InitialPos); utf8.Valid(src) && shallow(src) && tooDeep(tokens).HasErrors() {
			t.Error("it is deeper than what is seen of it")
		}
	})
}

// FuzzLoadJSON loads any text as a template in JSON.
func FuzzLoadJSON(f *testing.F) {
	seeds(f, "testdata/golden/*/*.pkr.json", "testdata/errors/*.pkr.json")
	f.Add([]byte(`{"locals": {"a": "%{for x in [1]}${x}%{endfor}", "b": 1e9}, "build": {"dynamic": {"provisioner": {"for_each": [1], "labels": ["x"], "content": {}}}}}`))
	f.Fuzz(func(t *testing.T, src []byte) { loadAll(t, "a.pkr.json", src) })
}

// FuzzVarFile reads any text as a file of variables.
func FuzzVarFile(f *testing.F) {
	for _, text := range []string{`a = "x"`, "l = [1, 2]\nm = { k = true }", `{"a": "x", "l": [1], "o": {"n": "x"}}`, `o = { n = 1, v = [for x in ["a"] : x] }`} {
		f.Add([]byte(text), true)
		f.Add([]byte(text), false)
	}
	dir := f.TempDir()
	template := filepath.Join(dir, "a.pkr.hcl")
	src := "variable \"a\" {}\nvariable \"l\" { type = list(string) }\nvariable \"m\" { type = map(bool) }\nvariable \"n\" { type = number }\n" +
		"variable \"o\" {\n type = object({ n = string, v = optional(set(number), [1]) })\n sensitive = true\n}"
	if err := os.WriteFile(template, []byte(src), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, src []byte, asJSON bool) {
		name := filepath.Join(t.TempDir(), map[bool]string{true: "v.json", false: "v.hcl"}[asJSON])
		if err := os.WriteFile(name, src, 0o600); err != nil {
			t.Fatal(err)
		}
		soon(t, string(src), func() {
			o := Options{Path: template, Now: now, Version: "1.16.0", Secrets: &secret.Set{}, WarnUndeclared: true, VarFiles: []string{name}}
			_ = shown(Load(o))
			o.VarFiles = nil
			for _, v := range []string{"a", "l", "m", "n", "o"} {
				o.Vars = append(o.Vars, v+"="+string(src))
			}
			_ = shown(Load(o))
		})
	})
}

// FuzzExpression evaluates any text as an expression.
func FuzzExpression(f *testing.F) {
	for _, text := range []string{
		`regex("(a|b)+?[0-9]{2,3}", "ab12")`, `regexall("a.", "abac")`, `regex_replace("a1", "([a-z])([0-9])", "$2$1")`, `replace("a.b", "/\\./", "-")`,
		`formatdate("DD MMM YYYY hh:mm ZZZ", "2024-01-02T03:04:05Z")`, `timeadd("2024-01-02T03:04:05Z", "-1h5m")`, `legacy_strftime("%Y-%m-%d %H:%M:%S %a %j %U %%")`,
		`legacy_isotime("2006-01-02T15:04:05Z07:00")`, `rfc3339_parse("2023-07-25 23:43:16Z").iso_week`, `unix_timestamp_parse(1690328596).rfc3339`,
		`format("%05.2f|%-10s|%+d|%#v|%q", 1.5, "x", 2, ["a"], "b")`, `formatlist("%s-%s", ["a", "b"], "c")`, `cidrsubnets("10.0.0.0/8", 4, 4, 8)`, `cidrhost("fd00::/64", -1)`,
		`setproduct(["a", "b"], [1, 2])`, `[for k, v in { a = 1 } : "${k}=${v}" if v > 0]`, `{ for s in ["a", "a"] : s => 1... }`, `"%{ for x in [1, 2] ~} ${x} %{ endfor }"`,
		`jsondecode("{\"a\": [1, null, true]}").a[*]`, `yamldecode("a: &x [1, 2]\nb: *x")`, `csvdecode("a,b\n1,2")`, `try(nothing.x, can(local.y), 1)`, `convert(["1"], set(number))`,
		`substr("häß", -2, 2)`, `textdecodebase64(textencodebase64("ä", "UTF-16LE"), "UTF-16LE")`, `pow(2, 0.5) + log(8, 2) % 3`, `parseint("zz", 36)`, `indent(2, "a\nb")`,
		`chunklist([1, 2, 3], 2)`, `flatten([[1], [[2]]])`, `merge({ a = 1 }, { b = 2 })`, `zipmap(["a"], [1])`, `distinct(["a", "a"])`, `element([1, 2], 5)`, `base64gzip("x")`,
	} {
		f.Add(text)
	}
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.pkr.hcl"), nil, 0o600); err != nil {
		f.Fatal(err)
	}
	tpl, diags := Load(Options{Path: dir, Now: now, Version: "1.16.0", Secrets: &secret.Set{}})
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, reads := range []string{"file", "bcrypt"} { // the host's files, and what is slow by design
			if strings.Contains(text, reads) {
				return
			}
		}
		soon(t, text, func() {
			if guard("x", []byte(text)).HasErrors() {
				return
			}
			e, diags := hclsyntax.ParseExpression([]byte(text), "x", hcl.InitialPos)
			if diags.HasErrors() || bound(e).HasErrors() {
				return
			}
			for form := range tpl.root {
				v, ds := tpl.eval(Form(form), e, tpl.root[form])
				_ = shown(nil, ds)
				if _, err := sizeOf(v); err == nil {
					_ = leaves(v)
					_ = digest(v)
				}
			}
		})
	})
}

// FuzzGoTemplate renders any text as a Go template.
func FuzzGoTemplate(f *testing.F) {
	for _, text := range []string{
		"chmod +x {{ .Path }}; {{ .Vars }} sudo {{.Path}}", "{{ build_name }}-{{ build_type }}", "{{ timestamp }} {{ isotime `2006-01-02` }} {{ strftime `%Y%m%d` }}",
		"{{ user `a` | upper }}", "{{ build `ID` }} {{ .Host }}", "{{ split `a-b` `-` 1 }}", "{{ replace `a` `b` -1 `aaa` }}", "{{ replace_all `a` `b` `aaa` }}",
		"{{ printf `%05d %q` 3 `x` }}", "{{ if eq build_name `x` }}a{{ else }}b{{ end }}", "{{ with $x := `a` }}{{ $x }}{{ end }}", "{{ range `a` }}{{ end }}", "{{ define `a` }}x{{ end }}",
		"{{ clean_resource_name `A_b` }}", "{{ index `abc` 1 }} {{ slice `abc` 1 2 }} {{ len `abc` }}", "{{ uuid }} {{ pwd }} {{ template_dir }} {{ packer_version }}",
	} {
		f.Add(text)
	}
	dir := f.TempDir()
	src := "variable \"a\" { default = \"x\" }\nsource \"null\" \"x\" {}\nbuild { sources = [\"null.x\"] }"
	if err := os.WriteFile(filepath.Join(dir, "a.pkr.hcl"), []byte(src), 0o600); err != nil {
		f.Fatal(err)
	}
	tpl, diags := Load(Options{Path: dir, Now: now, Version: "1.16.0", Secrets: &secret.Set{}})
	if diags.HasErrors() {
		f.Fatal(diags)
	}
	f.Fuzz(func(t *testing.T, text string) {
		soon(t, text, func() {
			source := tpl.Builds[0].Sources[0]
			for _, sc := range []Scope{{Source: source}, {Form: Keyed, Source: source}, {Source: source, Values: op.Values{"build.ID": secret.Plain("i-1")}}} {
				out, err := (&Decoded{scope: sc}).Render(text, map[string]string{"Path": "/p", "Vars": "A=b"})
				if err == nil && len(out) > mostRendered {
					t.Error("the result is too long")
				}
			}
		})
	})
}

// FuzzTimes formats and reads times.
func FuzzTimes(f *testing.F) {
	for _, s := range []string{"%Y-%m-%dT%H:%M:%S%z", "%a %A %b %B %c %C %d %e %j %k %l %n %p %s %t %u %U %V %w %W %x %X %Z %%", "2006-01-02 15:04:05.000 MST", "2024-02-29T23:59:60+14:00", "2023-07-25 23:43:16Z", "0000-00-00T00:00:00Z"} {
		f.Add(s, int64(1709247600))
	}
	f.Fuzz(func(t *testing.T, s string, unix int64) {
		at := time.Unix(unix, 0).UTC()
		_ = strftime(at, s)
		for name, fn := range (&Template{}).timeFunctions(Keyed) {
			switch name {
			case "rfc3339_parse":
				_, _ = fn.Call(texts(s))
			case "legacy_strftime", "legacy_isotime":
				_, _ = fn.Call(texts(s))
			}
		}
	})
}

func texts(s ...string) []cty.Value {
	var out []cty.Value
	for _, t := range s {
		out = append(out, cty.StringVal(t))
	}
	return out
}
