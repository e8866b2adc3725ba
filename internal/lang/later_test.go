package lang

import (
	"strings"
	"testing"

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
func inlineOf(t *testing.T, form Form, replace ...string) ([]secret.String, *Decoded) {
	t.Helper()
	tpl := mustLoad(t, Options{}, "a.pkr.hcl", strings.NewReplacer(replace...).Replace(laterTemplate))
	var got options
	d, diags := tpl.Builds[0].Provisioners[0].Decode(Scope{Form: form, Source: tpl.Builds[0].Sources[0]}, &got)
	if diags.HasErrors() {
		t.Fatal(shown(tpl, diags))
	}
	return got.Inline, d
}

// TestLater has expressions work on values that are known while the build runs.
func TestLater(t *testing.T) {
	t.Parallel()
	inline, d := inlineOf(t, Real)
	values, err := d.Values(op.Values{"build.ID": secret.Plain("I-1"), "build.Host": secret.Plain("h"), "build.User": secret.Plain("me")})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"id i-1!", "TEXT x", "ME:PASSWORD"} {
		if got := values.Text(inline[i].Reveal()); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	last := op.Tokens(inline[2].Reveal())[0]
	if !values[last].IsSensitive() {
		t.Error("what is made of a sensitive value is not sensitive")
	}
}

// TestLaterUnknown is what a session does not know.
func TestLaterUnknown(t *testing.T) {
	t.Parallel()
	inline, d := inlineOf(t, Real)
	values, err := d.Values(op.Values{})
	if err != nil {
		t.Fatal(err)
	}
	if got := values.Text(inline[0].Reveal()); got != "id <unknown>!" {
		t.Error(got)
	}
}

// TestLaterKeys has both forms agree, and change with what the expression says,
// but not with what is sensitive.
func TestLaterKeys(t *testing.T) {
	t.Parallel()
	text := func(form Form, replace ...string) string {
		inline, _ := inlineOf(t, form, replace...)
		var b strings.Builder
		for _, s := range inline {
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

// TestLaterLists has lists and objects of build.* be what they are made of, and
// refused where a function makes others of them.
func TestLaterLists(t *testing.T) {
	t.Parallel()
	for expr, ok := range map[string]bool{
		`concat([build.ID], ["x"])`:                           true,
		`flatten([[build.ID], [build.Host]])`:                 true,
		`formatlist("%s on %s", [build.ID, build.User], "x")`: true,
		`values({ a = build.ID, b = upper(var.text) })`:       true,
		`[for k, v in { a = build.ID } : "${k}=${v}"]`:        true,
		`reverse([build.ID, upper(build.Host)])`:              false,
		`split(",", build.ID)`:                                false,
		`[join("", split(",", build.ID)), build.Host]`:        true,
		`split("@", "${build.User}@${build.Host}")`:           false,
		`sort([build.ID, "x"])`:                               false,
		`distinct([build.ID, build.Host])`:                    false,
		`compact([build.ID, "x"])`:                            false,
		`[for x in [build.ID, build.Host] : x if x != ""]`:    false,
		`concat(split(",", build.ID), ["x"])`:                 false,
	} {
		template := strings.Replace(laterTemplate, `["id ${lower(build.ID)}!", build.Host == "h" ? "TEXT ${var.text}" : "other", "${upper("${build.User}:${var.pw}")}"]`, expr, 1)
		tpl := mustLoad(t, Options{}, "a.pkr.hcl", template)
		var got options
		_, diags := tpl.Builds[0].Provisioners[0].Decode(Scope{Source: tpl.Builds[0].Sources[0]}, &got)
		switch shown := shown(tpl, diags); {
		case ok && len(diags) > 0:
			t.Errorf("%s: %s", expr, shown)
		case !ok && (!strings.Contains(shown, "build.") || !strings.Contains(shown, "known only while the build runs") || !strings.Contains(shown, "a.pkr.hcl line")):
			t.Errorf("%s: %v %s", expr, got.Inline, shown)
		}
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
	for i, want := range []string{"image", "ami"} {
		var got options
		d, diags := tpl.Builds[0].Provisioners[0].Decode(Scope{Source: tpl.Builds[0].Sources[i]}, &got)
		if diags.HasErrors() {
			t.Fatal(shown(tpl, diags))
		}
		all, err := d.Values(values)
		if err != nil {
			t.Fatal(err)
		}
		if text := all.Text(got.Inline[0].Reveal()); text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	}
}
