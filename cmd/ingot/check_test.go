package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// compiled returns the errors of a template: of who only checks it, or of who
// makes a plan of it.
func compiled(t *testing.T, dir, template string, c plan.Components, check bool) []string {
	t.Helper()
	path := filepath.Join(dir, "t.pkr.hcl")
	if err := os.WriteFile(path, []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	tpl, diags := lang.Load(lang.Options{Path: path, Now: time.Now(), Secrets: &secret.Set{}, Version: packerLevel, RunID: "run"})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	_, diags = plan.Compile(tpl, c, plan.Options{Host: builders.Host{Dir: dir, Secrets: &secret.Set{}, Shared: &sync.Map{}}, Check: check})
	var out []string
	for _, d := range diags {
		out = append(out, fmt.Sprintf("%d %s: %s", d.Subject.Start.Line, d.Summary, d.Detail))
	}
	return out
}

const threeSources = `source "null" "a" { communicator = "none" }
source "null" "b" { communicator = "none" }
source "null" "c" { communicator = "none" }
source "null" "d" { communicator = "none" }
build {
  sources = ["null.a", "null.b", "null.c", "null.d"]
  %s
}
`

// TestCheckFindsAll has a check, which looks at a step once for all sources,
// find what a plan of all sources finds.
func TestCheckFindsAll(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ step, want string }{
		"nothing":        {`provisioner "shell-local" { inline = ["echo ${source.name} {{ build_name }}"] }`, ""},
		"of all":         {`provisioner "shell-local" { inlin = ["echo"] }`, `7 Unknown option "inlin"`},
		"a file of one":  {`provisioner "shell-local" { script = "${source.name}.sh" }`, `7 Invalid "script" in provisioner "shell-local": There is no file c.sh.`},
		"of Go template": {`provisioner "shell-local" { script = "{{ build_name }}.sh" }`, `c.sh`},
		"an expression":  {`provisioner "shell-local" { script = source.name == "c" ? "none.sh" : "a.sh" }`, `none.sh`},
		"a condition":    {`provisioner "shell-local" { inline = ["{{ if eq build_name \"c\" }}{{ nothing }}{{ end }}"] }`, `Invalid Go template`},
		"a late one": {`provisioner "shell-local" {
			inline          = ["true"]
			execute_command = ["sh", "{{ if eq build_name \"c\" }}{{ .None }}{{ end }}{{ .Script }}"]
		}`, `None`},
		"what only leaves": {`provisioner "shell-local" {
			script = "${source.name}.sh"
			only = ["a", "null.b"]
		}`, ""},
		"what except leaves": {`provisioner "shell-local" {
			script = "${source.name}.sh"
			except = ["null.c"]
		}`, ""},
		"an override": {`provisioner "shell-local" {
			inline = ["true"]
			override = { b = { script = "none.sh", inline = null }, x = { script = "none.sh" } }
		}`, `none.sh`},
		"a name of override": {`provisioner "shell-local" {
			inline = ["true"]
			override = { (source.name == "b" ? "b" : "x") = { inlin = [] } }
		}`, `Unknown option "inlin"`},
		"a machine": {`provisioner "shell" { inline = ["true"] }`, `7 null.a, null.b and 2 more can't run the provisioner "shell"`},
		"a machine for some": {`provisioner "shell" {
			inline = ["true"]
			only = ["a", "d"]
		}`, `7 null.a and null.d can't run the provisioner "shell"`},
		"a machine by override": {`provisioner "shell-local" {
			inline = ["true"]
			override = { b = { no_machine = true } }
		}`, `no_machine`},
		"cleaning up":      {`error-cleanup-provisioner "shell" { inline = ["true"] }`, `can't run`},
		"a post-processor": {`post-processor "manifest" { output = "${source.name}.json" }`, ""},
		"a wrong one":      {`post-processor "checksum" { checksum_types = [source.name == "c" ? "md6" : "md5"] }`, `md6`},
		"a test":           {"test \"x\" {\n provisioner \"shell-local\" { inline = [\"true\"] }\n}", `can't run the test "x"`},
		"a test of some": {`test "x" {
			provisioner "shell-local" { scrip = "${source.name}.sh" }
			only = ["c"]
		}`, `Unknown option "scrip"`},
		"attaching in a test": {"test \"x\" {\n provisioner \"sbom\" {}\n}", "is not for tests"},
		"unknown":             {`provisioner "shel" {}`, `7 Unknown provisioner type`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for _, f := range []string{"a.sh", "b.sh", "d.sh"} {
				if err := os.WriteFile(filepath.Join(dir, f), []byte("true\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			text := fmt.Sprintf(threeSources, c.step)
			got, all := compiled(t, dir, text, components(), true), compiled(t, dir, text, components(), false)
			if diff := cmp.Diff(all, got); diff != "" {
				t.Errorf("a check finds other things than a plan (-plan +check):\n%s", diff)
			}
			if shown := strings.Join(got, "\n"); c.want == "" && shown != "" || !strings.Contains(shown, c.want) {
				t.Errorf("got %q, want %q", shown, c.want)
			}
		})
	}
}

// counted is a provisioner that counts how often it is lowered.
type counted struct {
	Text string `hcl:"text"`
	n    *atomic.Int64
}

func (c *counted) Lower(provisioners.Input) ([]op.Op, error) {
	c.n.Add(1)
	return []op.Op{&op.Pause{}}, nil
}

// TestCheckLooksOnce has a step looked at once, however many sources there are.
func TestCheckLooksOnce(t *testing.T) {
	t.Parallel()
	var n atomic.Int64
	c := components()
	c.Provisioners = []provisioners.Definition{{Type: "counted", New: func() provisioners.Provisioner { return &counted{n: &n} }}}
	step := `provisioner "counted" { text = %s }
  `
	for text, want := range map[string]int64{`"x"`: 20, `"on ${source.name}"`: 20, `upper(source.name)`: 100} {
		n.Store(0)
		template := fmt.Sprintf(threeSources, strings.Repeat(fmt.Sprintf(step, text), 20))
		if got := compiled(t, t.TempDir(), template, c, true); len(got) > 0 {
			t.Fatal(got)
		}
		if n.Load() != want {
			t.Errorf("%s: looked %d times, want %d", text, n.Load(), want)
		}
	}
}
