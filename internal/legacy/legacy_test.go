package legacy

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/ingot-build/ingot/internal/component"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func inputs(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal("no templates:", err)
	}
	return files
}

// shown are diagnostics as a user sees them.
func shown(t *testing.T, name string, src []byte, diags hcl.Diagnostics) string {
	t.Helper()
	var out bytes.Buffer
	files := map[string]*hcl.File{name: {Bytes: src}}
	if err := hcl.NewDiagnosticTextWriter(&out, files, 100, false).WriteDiagnostics(diags); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// schema knows two builders and a provisioner.
func schema(kind, typ string) *component.Schema {
	switch kind + " " + typ {
	case "builder amazon-ebs":
		return component.SchemaOf(&struct {
			Filter struct {
				Filters map[string]string `hcl:"filters"`
			} `hcl:"source_ami_filter,block"`
			Tags map[string]string `hcl:"tags,optional"`
			Tag  []struct {
				Key string `hcl:"key"`
			} `hcl:"tag,block"`
		}{})
	case "provisioner shell":
		return component.SchemaOf(&struct {
			Inline  []string `hcl:"inline,optional"`
			Content string   `hcl:"content,optional" template:"off"`
		}{})
	}
	return nil
}

func TestHCL(t *testing.T) {
	t.Parallel()
	for _, path := range inputs(t, "testdata/upgrade/*.json") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			tpl, diags := Read(path, src)
			if diags.HasErrors() {
				t.Fatal(shown(t, path, src, diags))
			}
			got := tpl.HCL(Style{Annotate: strings.Contains(path, "annotate"), Schema: schema})
			if _, diags := hclsyntax.ParseConfig(got, "", hcl.InitialPos); diags.HasErrors() {
				t.Errorf("the result is not HCL: %v", diags)
			}
			golden(t, strings.TrimSuffix(path, ".json")+".pkr.hcl", got)
		})
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, path := range inputs(t, "testdata/errors/*.json") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			src, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			_, diags := File(path, src, nil, os.Getenv)
			got := shown(t, path, src, diags)
			if !strings.Contains(got, path+" line ") {
				t.Error("nothing with a place")
			}
			golden(t, strings.TrimSuffix(path, ".json")+".txt", []byte(got))
		})
	}
}

// What is too much to read is refused before it is read.
func TestTooMuch(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct{ src, want string }{
		"large":        {`{"description": "` + strings.Repeat("x", 10<<20) + `"}`, "Can't read t.json"},
		"deep lists":   {strings.Repeat("[", 10_000), "Nested too deep"},
		"deep objects": {strings.Repeat(`{"a":`, 10_000), "Nested too deep"},
		"deep call":    {`{"builders": [{"type": "null"}], "variables": {"a": "{{` + strings.Repeat("(", 10_000) + `"}}`, "Invalid Go template"},
		"many values":  {`{"builders": [` + strings.Repeat("1, ", 30_000) + `1]}`, "Not a template"},
		"many errors":  {`{"builders": [` + strings.Repeat("1, ", 10_000) + `1]}`, "Wrong value for a builder"},
		"not UTF-8":    {"{\n\"a\": \"\xff\"}", "Not UTF-8"},
		"nothing":      {"", "Invalid JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, diags := File("t.json", []byte(tt.src), nil, os.Getenv)
			if len(diags) == 0 || len(diags) > enough || diags[0].Summary != tt.want && !strings.HasPrefix(diags[0].Summary, tt.want) {
				t.Errorf("got %v, want %q first", diags, tt.want)
			}
		})
	}
}

// Many variables in a chain: neither slow nor too deep.
func TestLongChain(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString(`{"builders": [{"type": "null"}], "variables": {"v0": "x"`)
	for i := range 10_000 {
		b.WriteString(`, "v` + strconv.Itoa(i+1) + `": "{{user ` + "`v" + strconv.Itoa(i) + "`" + `}}"`)
	}
	b.WriteString("}}")
	tpl, diags := Read("t.json", []byte(b.String()))
	if diags.HasErrors() || len(tpl.Variables) != 10_001 {
		t.Errorf("got %d variables and %d errors", len(tpl.Variables), len(diags))
	}
}

func TestGiven(t *testing.T) {
	t.Parallel()
	src := []byte(`{"variables": {"a": "1", "b": "{{user ` + "`a`" + `}}2", "c": null}, "builders": [{"type": "null"}]}`)
	tpl, diags := Read("t.json", src, Given{Name: "b", Text: "plain"}, Given{Name: "c", Text: "{{user `a`}}"}, Given{Name: "d", Text: "new"})
	if len(diags) > 0 {
		t.Fatal(diags)
	}
	var got []string
	for _, v := range tpl.Variables {
		kind := "plain"
		if v.isComputed() {
			kind = "computed"
		}
		if v.Undeclared {
			kind += " undeclared"
		}
		got = append(got, v.Name+" "+kind)
	}
	want := []string{"a plain", "b plain", "c computed", "d plain undeclared"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	values, diags := Values("v.json", []byte(`{"a": "x", "n": 1.50, "yes": true, "l": []}`))
	var got []string
	for _, v := range values {
		got = append(got, v.Name+"="+v.Text)
	}
	if diff := cmp.Diff([]string{"a=x", "n=1.50", "yes=true"}, got); diff != "" {
		t.Error(diff)
	}
	if len(diags) != 1 || diags[0].Summary != `Wrong value for variable "l"` {
		t.Errorf("got %v", diags)
	}
}
