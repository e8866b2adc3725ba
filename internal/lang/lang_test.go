package lang

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/internal/secret"
)

// now is the time of all tests.
var now = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// load writes files, alternating names and contents, and loads their folder.
func load(t *testing.T, o Options, files ...string) (*Template, hcl.Diagnostics) {
	t.Helper()
	dir := t.TempDir()
	for i := 0; i < len(files); i += 2 {
		if err := os.WriteFile(filepath.Join(dir, files[i]), []byte(files[i+1]), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if o.Path == "" {
		o.Path = dir
	} else {
		o.Path = filepath.Join(dir, o.Path)
	}
	o.Now, o.Version, o.RunID = now, "1.16.0", "run-1"
	if o.Secrets == nil {
		o.Secrets = &secret.Set{}
	}
	return Load(o)
}

// shown is diagnostics as a user sees them, without the folder of the test.
func shown(t *Template, diags hcl.Diagnostics) string {
	var b strings.Builder
	files := map[string]*hcl.File{}
	if t != nil {
		files = t.Files
	}
	w := hcl.NewDiagnosticTextWriter(&b, files, 0, false)
	for _, d := range diags {
		_ = w.WriteDiagnostic(d)
	}
	return b.String()
}

type shell struct {
	Inline  []secret.String          `hcl:"inline,optional"`
	Script  string                   `hcl:"script,optional"`
	Env     map[string]secret.String `hcl:"env,optional"`
	Execute string                   `hcl:"execute_command,optional" template:"late"`
	Codes   []int                    `hcl:"valid_exit_codes,optional"`
	Pause   time.Duration            `hcl:"pause_after,optional"`
}

func TestSmoke(t *testing.T) {
	t.Parallel()
	tpl, diags := load(t, Options{Vars: []string{"pw=hunter22"}}, "a.pkr.hcl", `
variable "pw" {
  sensitive = true
}
variable "n" { default = 2 }
locals {
  greet = "hi ${var.n}"
  line  = "login ${var.pw} ${timestamp()}"
}
source "null" "m" {}
build {
  sources = ["source.null.m", source.null.m]
  provisioner "shell" {
    inline = [local.greet, local.line, "echo ${build.ID} {{timestamp}} {{build_name}}"]
    execute_command = "{{.Path}} x"
    override = { m = { valid_exit_codes = [0, "3"] } }
    pause_before = "5s"
  }
}
`)
	if len(diags) > 0 {
		t.Fatal(shown(tpl, diags))
	}
	p := tpl.Builds[0].Provisioners[0]
	for _, f := range []Form{Real, Keyed} {
		var s shell
		d, diags := p.Decode(Scope{Form: f, Source: tpl.Builds[0].Sources[0]}, &s)
		if len(diags) > 0 {
			t.Fatal(shown(tpl, diags))
		}
		for _, i := range s.Inline {
			t.Log(i.IsSensitive(), i.Reveal())
		}
		t.Logf("%+v %+v %v", s, d.Inputs, d.Marked)
	}
}
