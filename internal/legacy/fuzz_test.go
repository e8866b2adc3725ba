package legacy

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// FuzzLegacy reads any text as a JSON template, and writes what it has as
// HCL, which is HCL then.
func FuzzLegacy(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.json", "fix/testdata/*.json"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, name := range files {
			src, err := os.ReadFile(name)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(src)
		}
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		file, diags := File("t.json", src, []Given{{Name: "a", Text: string(src)}}, os.Getenv)
		if file == nil {
			if !diags.HasErrors() {
				t.Fatal("neither a template nor an error")
			}
			return
		}
		walkBody(file.Body.(*hclsyntax.Body))
		tpl, diags := Read("t.json", src)
		if diags.HasErrors() {
			return
		}
		got := tpl.HCL(Style{Annotate: true, Schema: schema})
		if _, diags := hclsyntax.ParseConfig(got, "t.pkr.hcl", hcl.InitialPos); diags.HasErrors() {
			t.Fatalf("%v\n%s", diags, got)
		}
	})
}

// walkBody evaluates all that is in a body.
func walkBody(b *hclsyntax.Body) {
	for _, a := range b.Attributes {
		_, _ = a.Expr.Value(&hcl.EvalContext{})
		_ = a.Expr.Range()
	}
	for _, in := range b.Blocks {
		_ = in.AsHCLBlock().DefRange
		walkBody(in.Body)
	}
}
