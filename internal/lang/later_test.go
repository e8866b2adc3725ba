package lang

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

const laterTemplate = `
variable "pw" {
  default   = "PASSWORD"
  sensitive = true
}
variable "text" {
  default = "x"
}
source "null" "n" {}
build {
  sources = ["null.n"]
  provisioner "shell" {
    inline = ["id ${lower(build.ID)}!", build.Host == "h" ? "TEXT ${var.text}" : "other", "${upper("${build.User}:${var.pw}")}"]
  }
}
`

// inlineOf decodes the provisioner of the template, changed by replacements.
func inlineOf(t *testing.T, sc Scope, replace ...string) ([]secret.String, *Decoded) {
	t.Helper()
	tpl := mustLoad(t, Options{}, "a.pkr.hcl", strings.NewReplacer(replace...).Replace(laterTemplate))
	sc.Source = tpl.Builds[0].Sources[0]
	var got options
	d, diags := tpl.Builds[0].Provisioners[0].Decode(sc, &got)
	if diags.HasErrors() {
		t.Fatal(shown(tpl, diags))
	}
	return got.Inline, d
}

var laterValues = op.Values{"build.ID": secret.Plain("I-1,J-2"), "build.Host": secret.Plain("h"), "build.User": secret.Plain("me"),
	"build.Port": secret.Plain("22"), "build.Password": secret.Sensitive("p{{w")}

// TestLater has expressions work on values that are known while the build runs.
func TestLater(t *testing.T) {
	t.Parallel()
	inline, d := inlineOf(t, Scope{Values: laterValues})
	want := []secret.String{secret.Plain("id i-1,j-2!"), secret.Plain("TEXT x"), secret.Sensitive("ME:PASSWORD")}
	if diff := cmp.Diff(want, inline, cmp.AllowUnexported(secret.String{})); diff != "" || len(d.Late) > 0 {
		t.Error(diff, d.Late)
	}
	if inline, d = inlineOf(t, Scope{}); len(d.Late) != 1 || !inline[2].IsSensitive() {
		t.Error(inline, d.Late)
	}
}

// TestLaterUnknown is what a session does not know.
func TestLaterUnknown(t *testing.T) {
	t.Parallel()
	if inline, _ := inlineOf(t, Scope{Values: op.Values{}}); inline[0].Reveal() != "id <unknown>!" {
		t.Error(inline[0])
	}
}

// TestLaterKeys has both forms agree, and change with what the expression says,
// but not with what is sensitive.
func TestLaterKeys(t *testing.T) {
	t.Parallel()
	text := func(form Form, replace ...string) string {
		inline, d := inlineOf(t, Scope{Form: form}, replace...)
		var b strings.Builder
		b.WriteString(strings.Join(d.Late, " "))
		for _, s := range inline[:2] {
			b.WriteString(s.Reveal())
		}
		return b.String()
	}
	first := text(Keyed)
	for what, other := range map[string]string{
		"the real form": text(Real), "another password": text(Keyed, "PASSWORD", "OTHER"),
	} {
		if other != first {
			t.Errorf("%s: %q is not %q", what, other, first)
		}
	}
	for what, other := range map[string]string{
		"another text": text(Keyed, "TEXT", "LINE"), "another value": text(Keyed, `"x"`, `"y"`), "another function": text(Keyed, "lower", "upper"),
	} {
		if other == first {
			t.Errorf("%s: the same", what)
		}
	}
}

// laterInline is what inline is replaced by.
const laterInline = `["id ${lower(build.ID)}!", build.Host == "h" ? "TEXT ${var.text}" : "other", "${upper("${build.User}:${var.pw}")}"]`

// TestLaterValues has lists, objects, numbers and Go templates be made of build.*:
// there is something in their place while planning, and what they are in the end.
func TestLaterValues(t *testing.T) {
	t.Parallel()
	for expr, want := range map[string]string{
		`concat([build.ID], ["x"])`:                                   "I-1,J-2 x",
		`reverse([build.ID, upper(build.Host)])`:                      "H I-1,J-2",
		`split(",", build.ID)`:                                        "I-1 J-2",
		`[join("", split(",", build.ID)), build.Host]`:                "I-1J-2 h",
		`sort([build.User, "x", build.Host])`:                         "h me x",
		`distinct([build.Host, "h"])`:                                 "h",
		`compact([build.Host == "h" ? "" : "a", "b"])`:                "b",
		`[for x in split(",", build.ID) : lower(x) if x != "J-2"]`:    "i-1",
		`[for k, v in { a = build.ID } : "${k}=${length(v)}"]`:        "a=7",
		`build.Host == "h" ? ["x"] : ["y", "z"]`:                      "x",
		`["port ${parseint(build.Port, 10) + 1}"]`:                    "port 23",
		`{ (build.Host) = 1 }["h"]`:                                   "1",
		`jsondecode("{\"a\": \"${build.Host}\"}").a`:                  "h",
		`[build["Host"], "%{if build.Host == "h"}y%{else}n%{endif}"]`: "h y",
		`[keys({ for x in split(",", build.ID) : x => 1 })[1]]`:       "J-2",
		"\"{{ build `ID` | lower }} {{ upper .Host }}\"":              "i-1,j-2 H",
		"\"{{ if eq .Host `h` }}{{ .ID }}{{ else }}no{{ end }}\"":     "I-1,J-2",
		"\"{{ .Host }} {{ build `Port` }}\"":                          "h 22",
		`"${build.Password}"`:                                         "p{{w",
	} {
		planned, d := inlineOf(t, Scope{}, laterInline, expr)
		if len(planned) == 0 {
			t.Errorf("%s: nothing while planning", expr)
		}
		inline, again := inlineOf(t, Scope{Values: laterValues}, laterInline, expr)
		var got []string
		for _, s := range inline {
			got = append(got, s.Reveal())
		}
		if strings.Join(got, " ") != want || len(again.Late) > 0 {
			t.Errorf("%s: got %q, want %q (%v)", expr, got, want, again.Late)
		}
		if simple := strings.HasPrefix(expr, `"${`) || strings.HasPrefix(expr, `"{{ .Host }}`); simple != (len(d.Late) == 0) {
			t.Errorf("%s: late is %v", expr, d.Late)
		}
	}
}

// TestLaterFiles has the files that an expression reads count, also those that
// are not in what stands for it.
func TestLaterFiles(t *testing.T) {
	t.Parallel()
	late := func(text string) []string {
		dir := write(t, "a.pkr.hcl", strings.Replace(laterTemplate, laterInline, `build.Host == "h" ? file("a.txt") : "none"`, 1))
		if err := os.WriteFile(filepath.Join(dir, "a.txt"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		tpl, diags := Load(Options{Path: dir, Version: "1.16.0", Secrets: &secret.Set{}})
		if diags.HasErrors() {
			t.Fatal(shown(tpl, diags))
		}
		var got options
		d, diags := tpl.Builds[0].Provisioners[0].Decode(Scope{Source: tpl.Builds[0].Sources[0]}, &got)
		if diags.HasErrors() || len(d.Late) != 1 {
			t.Fatal(shown(tpl, diags), d.Late)
		}
		return d.Late
	}
	if a, b := late("a"), late("b"); a[0] == b[0] {
		t.Error("another file, and the same name")
	}
}

// TestLaterOfBuilders has one expression in the builds of two builders, which
// know different values.
func TestLaterOfBuilders(t *testing.T) {
	t.Parallel()
	tpl := mustLoad(t, Options{}, "a.pkr.hcl", `
source "googlecompute" "g" {}
source "amazon-ebs" "a" {}
build {
  sources = ["googlecompute.g", "amazon-ebs.a"]
  provisioner "shell" {
    inline = [try(build.SourceAMIName, build.SourceImageName)]
  }
}
`)
	values := op.Values{"build.SourceAMIName": secret.Plain("ami"), "build.SourceImageName": secret.Plain("image")}
	late := map[string]bool{}
	for i, want := range []string{"image", "ami"} {
		var got options
		d, diags := tpl.Builds[0].Provisioners[0].Decode(Scope{Source: tpl.Builds[0].Sources[i]}, &got)
		if diags.HasErrors() {
			t.Fatal(shown(tpl, diags))
		}
		late[d.Late[0]] = true
		if _, diags = tpl.Builds[0].Provisioners[0].Decode(Scope{Source: tpl.Builds[0].Sources[i], Values: values}, &got); diags.HasErrors() {
			t.Fatal(shown(tpl, diags))
		}
		if text := got.Inline[0].Reveal(); text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
	if len(late) != 2 {
		t.Error("both have one name")
	}
}
