package lang

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// lookup is a data source that gives back what it was asked for.
type lookup struct {
	Name   string            `hcl:"name"`
	Filter map[string]string `hcl:"filter,optional"`
	Count  int               `hcl:"count,optional"`
}

type reads struct {
	mu    sync.Mutex
	names []string
	gates map[string]chan struct{} // that a read waits for, by name
}

func (r *reads) source() DataSource {
	return DataSource{
		Type: "lookup", New: func() any { return &lookup{} },
		Output: cty.Object(map[string]cty.Type{"id": cty.String, "key": cty.String}), Sensitive: []string{"key"},
		Check: func(c any) error {
			if strings.Contains(c.(*lookup).Name, " ") {
				return component.Errorf("name", "has a space")
			}
			return nil
		},
		Read: func(c any) (cty.Value, error) {
			name := c.(*lookup).Name
			if gate := r.gates[name]; gate != nil {
				<-gate
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.names = append(r.names, name)
			if name == "gone" {
				return cty.NilVal, hinted{errors.New("nothing is called gone")}
			}
			return cty.ObjectVal(map[string]cty.Value{"id": cty.StringVal("id-" + name), "key": cty.StringVal("hunter-" + name)}), nil
		},
	}
}

type hinted struct{ error }

func (hinted) Hint() string { return "call it so" }

func loadData(t *testing.T, r *reads, unread bool, src string) (*Template, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.pkr.hcl")
	if err := os.WriteFile(path, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	tpl, diags := Load(Options{Path: path, Now: now, Version: "1.16.0", Secrets: &secret.Set{},
		DataSources: []DataSource{r.source()}, Unread: unread})
	return tpl, shown(tpl, diags)
}

const chained = `
variable "env" { default = "prod" }
locals {
  first = "web-${var.env}"
  both  = "${data.lookup.a.id}+${data.lookup.b.id}"
}
data "lookup" "c" { name = local.both }
data "lookup" "a" { name = local.first }
data "lookup" "b" {
  name   = "b"
  filter = { of = data.null.n.output }
}
data "null" "n" { input = data.lookup.a.id }
`

func TestDataSources(t *testing.T) {
	t.Parallel()
	r := &reads{}
	tpl, text := loadData(t, r, false, chained)
	if text != "" {
		t.Fatal(text)
	}
	if want := []string{"web-prod", "b", "id-web-prod+id-b"}; !slices.Equal(r.names, want) {
		t.Errorf("read %q, want %q", r.names, want)
	}
	c := tpl.values["data.lookup.c"]
	id, key := c.forms[Real].GetAttr("id"), c.forms[Real].GetAttr("key")
	if id.AsString() != "id-id-web-prod+id-b" || !c.uses["env"] {
		t.Error(id, c.uses)
	}
	if !key.HasMark(sensitive) || !strings.Contains(tpl.options.Secrets.Redact("x hunter-b x"), secret.Redacted) {
		t.Error("what is sensitive is not")
	}
	if keyed, _ := c.forms[Keyed].GetAttr("key").Unmark(); keyed.AsString() != secret.Redacted {
		t.Error("a secret is in the keyed form")
	}
}

// One that is slow keeps only those waiting that need it.
func TestDataSourcesAreReadTogether(t *testing.T) {
	t.Parallel()
	slow := make(chan struct{})
	r := &reads{gates: map[string]chan struct{}{"slow": slow}}
	opens := r.source()
	read := opens.Read
	opens.Read = func(c any) (cty.Value, error) {
		out, err := read(c)
		if c.(*lookup).Name == "id-quick" {
			close(slow) // only now
		}
		return out, err
	}
	path := filepath.Join(t.TempDir(), "t.pkr.hcl")
	src := `
data "lookup" "slow" { name = "slow" }
data "lookup" "quick" { name = "quick" }
data "lookup" "next" { name = data.lookup.quick.id }`
	if err := os.WriteFile(path, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, diags := Load(Options{Path: path, Now: now, Secrets: &secret.Set{}, DataSources: []DataSource{opens}}); diags.HasErrors() {
		t.Fatal(diags)
	}
	if want := []string{"quick", "id-quick", "slow"}; !slices.Equal(r.names, want) {
		t.Errorf("read %q, want %q", r.names, want)
	}
}

func TestDataSourcesUnread(t *testing.T) {
	t.Parallel()
	r := &reads{}
	tpl, text := loadData(t, r, true, chained)
	if text != "" || len(r.names) > 0 {
		t.Fatal(text, r.names)
	}
	if v := tpl.values["local.both"].forms[Real]; v.IsKnown() || v.Type() != cty.String {
		t.Errorf("local.both is %#v", v)
	}
	_, text = loadData(t, r, true, `
data "lookup" "a" { name = "a" }
locals { x = data.lookup.a.idd }`)
	if !strings.Contains(text, `does not have an attribute named "idd"`) {
		t.Error(text)
	}
}

// What can't run has no need of what its data sources say.
func TestDataSourcesUnreadBesideErrors(t *testing.T) {
	t.Parallel()
	for _, wrong := range []string{`variable "lacking" {}`, "packer {\n required_version = \"< 1\"\n}", `sandbox { what = 1 }`} {
		r := &reads{}
		if _, text := loadData(t, r, false, chained+wrong); text == "" || len(r.names) > 0 {
			t.Errorf("%s: read %q, told %q", wrong, r.names, text)
		}
	}
}

func TestDataSourceErrors(t *testing.T) {
	t.Parallel()
	for src, want := range map[string][]string{
		`data "lookup" "a" { name = "gone" }`:                                      {"data.lookup.a can't be read", "Nothing is called gone. Hint: Call it so.", "line 1, in data"},
		`data "lookup" "a" { name = "x y" }`:                                       {`Invalid data "lookup": "name"`, "Has a space."},
		`data "lookup" "a" { nam = "x" }`:                                          {`Did you mean "name"?`, `Missing option "name"`},
		`data "lockup" "a" {}`:                                                     {"Unknown data source type", `Did you mean "lookup"?`},
		`data "lookup" "a" { name = data.lookup.b.id }`:                            {"Unknown data.lookup.b"},
		`data "lookup" "a" { name = data.lookup.a.id }`:                            {"Cycle in locals and data sources", "data.lookup.a → data.lookup.a"},
		"data \"lookup\" \"a\" { name = local.l }\nlocals { l = data.lookup.a.id}": {"data.lookup.a → local.l → data.lookup.a"},
		"data \"lookup\" \"a\" { name = \"gone\" }\nlocals { l = data.lookup.a.id}\ndata \"lookup\" \"b\" { name = local.l }": {"can't be read"},
		"data \"lookup\" \"a\" { name = \"a\" }\ndata \"lookup\" \"a\" { name = \"a\" }":                                      {"Duplicate data"},
	} {
		_, text := loadData(t, &reads{}, false, src)
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q in\n%s", src, w, text)
			}
		}
		if n := strings.Count(text, "Error: "); n > 2 {
			t.Errorf("%s: %d errors\n%s", src, n, text)
		}
	}
}

func TestSandboxBlock(t *testing.T) {
	t.Parallel()
	var told []SandboxImage
	path := filepath.Join(t.TempDir(), "t.ingot.hcl")
	src := `
variable "suite" { default = "trixie" }
sandbox {
  image "debian-*" {
    suite    = var.suite
    packages = ["curl"]
    user     = "admin"
  }
  image "*" { oci = "oci-layout:base" }
}`
	if err := os.WriteFile(path, []byte(src), 0o644); err != nil {
		t.Fatal(err)
	}
	_, diags := Load(Options{Path: path, Now: now, Secrets: &secret.Set{}, Sandbox: func(list []SandboxImage) error {
		told = list
		return nil
	}})
	if diags.HasErrors() || len(told) != 2 || told[0].Suite != "trixie" || told[0].User != "admin" || told[1].OCI != "oci-layout:base" {
		t.Error(diags, told)
	}
	for src, want := range map[string]string{
		"sandbox {\nimage \"a\" {}\n}":                                           "What the image is is missing",
		"sandbox {\nimage \"[\" { suite = \"x\" }\n}":                            "Not a pattern",
		"sandbox {\nimage \"a\" { suite = local.x }\n}":                          "local.* is not known here",
		"sandbox {\nimag \"a\" { suite = \"x\" }\n}":                             `Did you mean "image"?`,
		"sandbox {\nimage \"a\" { oci = \"x\" }\nimage \"a\" { oci = \"y\" }\n}": "Duplicate image",
		"sandbox {\nimage \"a\" {\noci = \"x\"\nmirror = \"m\"\n}\n}":            "belong to suite",
	} {
		if _, text := loadData(t, &reads{}, false, src); !strings.Contains(text, want) {
			t.Errorf("%s: no %q in\n%s", src, want, text)
		}
	}
}
