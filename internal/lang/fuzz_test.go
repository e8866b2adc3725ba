package lang

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-build/ingot/internal/secret"
)

// FuzzLoad loads any text as a template, and decodes what it has.
func FuzzLoad(f *testing.F) {
	seeds, err := filepath.Glob("testdata/*/*/*.hcl")
	if err != nil {
		f.Fatal(err)
	}
	more, err := filepath.Glob("testdata/errors/*.hcl")
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range append(seeds, more...) {
		src, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		path := filepath.Join(t.TempDir(), "a.pkr.hcl")
		if err := os.WriteFile(path, src, 0o600); err != nil {
			t.Fatal(err)
		}
		tpl, diags := Load(Options{Path: path, Now: now, Version: "1.16.0", RunID: "run-1", Secrets: &secret.Set{}})
		_ = shown(tpl, diags)
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
