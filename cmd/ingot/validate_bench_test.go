package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// largeTemplate has n sources and ten provisioners for each, in a build of its
// own (own), or in one build, for that source alone (only) or for all (all).
func largeTemplate(n int, layout string) string {
	var b strings.Builder
	b.WriteString("variable \"pw\" {\n  default   = \"secret1\"\n  sensitive = true\n}\nvariable \"release\" { default = \"12\" }\nlocals {\n")
	for i := range n {
		fmt.Fprintf(&b, "  l%d = \"local %d of ${var.release} at ${timestamp()}\"\n", i, i)
	}
	b.WriteString("}\n")
	all := make([]string, n)
	for i := range n {
		all[i] = fmt.Sprintf("%q", fmt.Sprintf("null.s%d", i))
		fmt.Fprintf(&b, "source \"null\" \"s%d\" {\n  ssh_host     = \"h%d.${var.release}\"\n  ssh_username = \"root\"\n  ssh_password = var.pw\n}\n", i, i)
	}
	if layout != "own" {
		fmt.Fprintf(&b, "build {\n  sources = [%s]\n", strings.Join(all, ", "))
	}
	for i := range n {
		if layout == "own" {
			fmt.Fprintf(&b, "build {\n  name    = \"b%d\"\n  sources = [%s]\n", i, all[i])
		}
		for j := range 10 {
			provisioner(&b, i, j, map[bool]string{true: "    only = [" + all[i] + "]\n"}[layout == "only"])
		}
		if layout == "own" {
			b.WriteString("}\n")
		}
	}
	if layout != "own" {
		b.WriteString("}\n")
	}
	return b.String()
}

func provisioner(b *strings.Builder, i, j int, only string) {
	if j%5 == 4 {
		fmt.Fprintf(b, "  provisioner \"file\" {\n    source      = \"${path.root}/a.conf\"\n    destination = \"/etc/%d-%d.conf\"\n%s  }\n", i, j, only)
		return
	}
	fmt.Fprintf(b, "  provisioner \"shell\" {\n    inline          = [\"echo %d ${source.name}\", \"echo ${var.pw}\", \"{{ build_name }} ${build.ID} ${local.l%d}\"]\n"+
		"    execute_command = \"{{ .Vars }} sudo {{ .Path }}\"\n    env             = { A = local.l%d, B = \"x\" }\n%s  }\n", j, i, i, only)
}

// BenchmarkValidate checks a template of 200 sources and 2,000 provisioners,
// and what half and twice of that takes.
func BenchmarkValidate(b *testing.B) {
	for _, layout := range []string{"own", "only", "all"} {
		for _, n := range []int{50, 100, 200, 400} {
			b.Run(fmt.Sprintf("%s/%d", layout, n), func(b *testing.B) {
				dir := b.TempDir()
				for name, text := range map[string]string{"t.pkr.hcl": largeTemplate(n, layout), "a.conf": "a = 1\n"} {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
						b.Fatal(err)
					}
				}
				for b.Loop() {
					cmd := newValidateCommand(&program{})
					cmd.SetArgs([]string{dir})
					cmd.SetOut(io.Discard)
					if err := cmd.ExecuteContext(context.Background()); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
