package lang

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/secret"
)

// large is a template with 200 builds of one source and ten provisioners each.
func large() string {
	var b strings.Builder
	b.WriteString("variable \"pw\" {\n default = \"secret1\"\n sensitive = true\n}\nvariable \"release\" { default = \"12\" }\nlocals {\n")
	for i := range 200 {
		fmt.Fprintf(&b, "  l%d = \"local %d of ${var.release} at ${timestamp()}\"\n", i, i)
	}
	b.WriteString("}\n")
	for i := range 200 {
		fmt.Fprintf(&b, "source \"docker\" \"s%d\" {\n  image = \"debian:${var.release}\"\n  changes = [\"ENV A=${local.l%d}\"]\n}\n", i, i)
		fmt.Fprintf(&b, "build {\n  name = \"b%d\"\n  sources = [\"docker.s%d\"]\n", i, i)
		for j := range 10 {
			fmt.Fprintf(&b, "  provisioner \"shell\" {\n    inline = [\"echo %d ${source.name}\", \"echo ${var.pw}\", \"{{ build_name }} ${build.ID}\"]\n", j)
			b.WriteString("    execute_command = \"{{ .Vars }} sudo {{ .Path }}\"\n    env = { A = local.l1, B = \"x\" }\n  }\n")
		}
		b.WriteString("}\n")
	}
	return b.String()
}

// BenchmarkLoad loads 200 sources with 2,000 provisioners and decodes all in
// both forms.
func BenchmarkLoad(b *testing.B) {
	dir := write(b, "a.pkr.hcl", large())
	for b.Loop() {
		tpl, diags := Load(Options{Path: dir, Now: now, Version: "1.16.0", Secrets: &secret.Set{}})
		if len(diags) > 0 {
			b.Fatal(diags)
		}
		decodeForms(b, tpl)
	}
}

func decodeForms(b *testing.B, tpl *Template) {
	steps := 0
	for _, build := range tpl.Builds {
		s := build.Sources[0]
		for _, form := range []Form{Real, Keyed} {
			sc := Scope{Form: form, Source: s}
			if _, diags := s.Decode(sc, &options{}); len(diags) > 0 {
				b.Fatal(diags)
			}
			for _, p := range build.Provisioners {
				if _, diags := p.Decode(sc, &options{}); len(diags) > 0 {
					b.Fatal(diags)
				}
				steps++
			}
		}
	}
	if steps != 4000 {
		b.Fatal(steps)
	}
}
