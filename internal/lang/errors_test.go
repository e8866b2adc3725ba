package lang

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/secret"
)

// strict is options with one that is refused.
type strict struct {
	options
	Old string `hcl:"old,optional" refuse:"it is older than image"`
}

// decodeAll decodes every component of a template and returns what is wrong.
func decodeAll(tpl *Template) hcl.Diagnostics {
	var out hcl.Diagnostics
	for _, b := range tpl.Builds {
		for _, s := range b.Sources {
			sc := Scope{Source: s}
			_, ds := s.Decode(sc, &strict{})
			out = append(out, ds...)
			for _, p := range append(b.Provisioners, b.ErrorCleanup) {
				if p != nil {
					_, ds := p.Decode(sc, &strict{})
					out = append(out, ds...)
				}
			}
			for _, chain := range b.PostProcessors {
				for _, p := range chain {
					_, ds := p.Decode(sc, &strict{})
					out = append(out, ds...)
				}
			}
		}
	}
	return tpl.finish(out)
}

func TestErrors(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/errors/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatal("no templates:", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			tpl, diags := Load(Options{Path: path, Now: now, Version: "1.16.0", RunID: "run-1", Secrets: &secret.Set{}})
			diags = append(diags, decodeAll(tpl)...)
			got := shown(tpl, diags)
			if !diags.HasErrors() || !strings.Contains(got, path+" line ") {
				t.Error("no error with a place")
			}
			if strings.Contains(got, "hunter") && !strings.Contains(got, `= "hunter`) {
				t.Error("a secret is shown")
			}
			golden(t, strings.TrimSuffix(path, ".pkr.hcl")+".txt", []byte(got))
		})
	}
}
