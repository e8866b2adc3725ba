package hcpsbom

import (
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func TestLower(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"packages": {func(c *Config) { c.AutoGenerate = true }, "/sbom.cyclonedx"},
		"spdx": {func(c *Config) {
			c.AutoGenerate, c.ScannerArgs, c.SbomName = true, []string{"--output=spdx-json@2.3"}, "web"
		}, "/web.spdx"},
		"source": {func(c *Config) { c.Source = "/tmp/bom.json" }, "/sbom.source"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := config(tt.change)
			ops, err := c.Lower(provisionertest.Input("/dir"))
			if err != nil || len(ops) != 1 {
				t.Fatal(ops, err)
			}
			var local string
			switch o := ops[0].(type) {
			case *op.Capture:
				local = o.Local
			case *op.Get:
				local = o.Local
			}
			if want := op.Token(op.Attachments) + tt.want; local != want {
				t.Errorf("brings %q, want %q", local, want)
			}
			if a, ok := provisioners.Provisioner(c).(provisioners.Attacher); !ok || !a.Lenient() {
				t.Error("a failure is not a warning, as it is in Packer")
			}
		})
	}
}

func TestLowerWrong(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"source: either source or auto_generate": func(*Config) {},
		"auto_generate: only one of":             func(c *Config) { c.Source, c.AutoGenerate = "/a", true },
		"scanner_checksum: needs scanner_url":    func(c *Config) { c.AutoGenerate, c.ScannerChecksum = true, "12" },
		"sbom_name: ":                            func(c *Config) { c.AutoGenerate, c.SbomName = true, "no name" },
		`scan_path: "/srv" is not scanned`:       func(c *Config) { c.AutoGenerate, c.ScanPath = true, "/srv" },
		"scanner_args: ":                         func(c *Config) { c.AutoGenerate, c.ScannerArgs = true, []string{"-o", "json", "-q"} },
	} {
		if _, err := config(change).Lower(provisionertest.Input("/dir")); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}
