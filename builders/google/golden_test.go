package google

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

var update = flag.Bool("update", false, "write the golden files anew")

// decode decodes options as a template has them.
func decode(t *testing.T, file, text string) *Config {
	t.Helper()
	f, diags := hclsyntax.ParseConfig([]byte(text), file, hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	c := Definition().New().(*Config)
	var d component.Decoder
	_, diags = d.Decode(component.Input{What: "source", Parts: []component.Part{{Body: f.Body, Context: &hcl.EvalContext{}}}}, c)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return c
}

// TestBodies compares what is asked for, for sources with many options: of
// instances.insert, and of images.insert.
func TestBodies(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.hcl")
	if err != nil || len(files) == 0 {
		t.Fatal(err, "no templates")
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			c := decode(t, file, string(text))
			h := builders.Host{Dir: "testdata", Secrets: &secret.Set{}}
			b, err := c.Open(h)
			if err != nil {
				t.Fatal(err)
			}
			cl := b.(*builder).cloud
			l := &launch{cloud: cl, name: "ingot-name", disk: "ingot-name", image: "projects/debian-cloud/global/images/debian-12-bookworm-v1", address: "203.0.113.7"}
			l.labels = cl.runLabels(builders.Env{RunID: "run-1", Build: "googlecompute.web"}, time.Unix(1e9, 0))
			l.labels[userLabel] = "me-here"
			if cl.DiskName != "" {
				l.disk = cl.DiskName
			}
			if l.ssh != nil {
				l.user, l.public = l.ssh.User(), "ssh-ed25519 AAAA ingot"
			}
			l.osLogin = c.UseOSLogin != nil && *c.UseOSLogin
			insert, err := l.body()
			if err != nil {
				t.Fatal(err)
			}
			img, err := (&instance{launch: l}).imageBody()
			if err != nil {
				t.Fatal(err)
			}
			compare(t, strings.TrimSuffix(file, ".hcl")+".json", struct {
				Instance *gce.Instance `json:"instances.insert"`
				Image    *gce.Image    `json:"images.insert"`
			}{insert, img})
		})
	}
}

func compare(t *testing.T, file string, v any) {
	t.Helper()
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s: %s", file, diff)
	}
}
