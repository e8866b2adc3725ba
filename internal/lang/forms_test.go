package lang

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

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
		text, err := d.Render(o.Execute, map[string]string{"Path": "/x"})
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
	want := []secret.String{secret.Plain("ssh h"), secret.Plain("i"), secret.Sensitive("pw"), secret.Plain(op.Unknown)}
	if diff := cmp.Diff(want, got.Inline, cmp.AllowUnexported(secret.String{})); diff != "" {
		t.Error(diff)
	}
	text, err := d.Render(got.Execute, map[string]string{"Path": "/x"})
	if err != nil || text != "/x h u" {
		t.Error(text, err)
	}
	if _, err := d.Render("{{ .Nope }}", nil); err == nil || err.Error() != "there is no {{.Nope}} here; where {{ is for another program, write {{`{{`}}" {
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
		`startswith("abc", "ab")`: "true", `endswith("abc", "ab")`: "false", `strcontains("abc", "b")`: "true",
		`base64encode("x")`: "eA==", `textdecodebase64(textencodebase64("ä", "UTF-16LE"), "UTF-16LE")`: "ä",
		`length(base64gzip("x")) > 10`: "true", `md5("x")`: "9dd4e461268c8034f5c8564e155c67a6",
		`cidrhost("10.0.0.0/8", 2)`: "10.0.0.2", `coalesce(null, "", "x")`: "x", `try(nothing.x, "else")`: "else", `can(local.nothing)`: "false",
		`file("f.txt")`: "content", `filebase64("bin")`: "/w==", `fileexists("nothing")`: "false", `join(",", fileset(".", "*.txt"))`: "f.txt",
		`timestamp()`: "2026-03-04T05:06:07Z", `formatdate("YYYYMMDD", timestamp())`: "20260304", `timeadd(timestamp(), "1h")`: "2026-03-04T06:06:07Z",
		`legacy_isotime()`: "2026-03-04T05:06:07Z", `legacy_isotime("2006-01")`: "2026-03", `legacy_strftime("%Y-%m-%d %H:%M:%S %a %p %L %%")`: "2026-03-04 05:06:07 Wed AM .000 %",
		`legacy_strftime()`: "2026-03-04T05:06:07Z", `legacy_strftime("%Q %")`: "%Q %", `legacy_strftime("")`: "", `legacy_isotime("")`: "",
		`rfc3339_parse("2023-07-25 23:43:16Z").unix`: "1690328596", `unix_timestamp_parse(1690328596).rfc3339`: "2023-07-25T23:43:16Z",
		`unix_timestamp_parse(1690328596).weekday_name`: "Tuesday", `yamldecode("a: 1").a`: "1", `jsondecode("[1]")[0]`: "1",
		`convert("1", number) + 1`: "2", `length(uuidv4())`: "36", `substr(bcrypt("x"), 0, 4)`: "$2a$", `packer.version`: "1.16.0", `env("A")`: "env() can be called in the default",
		`sum([])`: "the sum of no numbers", `textencodebase64("ä", "x")`: `there is no encoding "x"`, `textdecodebase64("!", "utf-8")`: "not Base64",
		`contains(["a"], null)`: "must not be null", `templatefile("f.txt", { "a b" = 1 })`: `"a b" can't be the name`, `bcrypt("x", 99)`: "the cost is one number",
		`rfc3339_parse("x")`: "not an RFC 3339 time", `unix_timestamp_parse(1.5)`: "a whole number", `file("bin")`: "is not UTF-8 text", `file("none")`: "none: no such file",
		`fileexists(".")`: "is not a file", `index(["a"], "z")`: "does not have this element", `jsondecode(join("", [for i in range(1001) : "["]))`: "may nest 1000 deep",
		`length(3)`: "a list, a set, a map", `vault("a", "b")`: "vault() can't be called here", `yamldecode("a: [")`: "did not find",
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

// TestAtOnce decodes in several goroutines, as the post-processors of builds
// that run side by side do.
func TestAtOnce(t *testing.T) {
	t.Parallel()
	tpl := mustLoad(t, Options{}, "a.pkr.hcl", withSecrets)
	s, p := tpl.Builds[0].Sources[0], tpl.Builds[0].Provisioners[0]
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			var got options
			if _, diags := p.Decode(Scope{Form: Form(i % 2), Source: s}, &got); len(diags) > 0 || len(got.Inline) != 3 {
				t.Error(shown(tpl, diags))
			}
		})
	}
	wg.Wait()
}

// TestCleanName has what the plugins of Packer make of a name.
func TestCleanName(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ builder, name, want string }{
		{"amazon-ebs", "Web Image_1.0 (a:b) é", "Web Image_1.0 (a-b) --"},
		{"googlecompute", "Web Image__1.0-", "web-image--1-0-"},
		{"docker", "A b", "a-b"},
	} {
		if got := cleanName(c.builder, c.name); got != c.want {
			t.Errorf("%s: %s: %s, want %s", c.builder, c.name, got, c.want)
		}
	}
}
