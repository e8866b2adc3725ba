package sbom

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/sbom"
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
		"packages": {func(*Config) {}, "exec SCRIPT\n  captured in ATTACHMENTS/sbom.cyclonedx.spdx\n"},
		"one format": {func(c *Config) { c.SbomName, c.Formats, c.Destination = "web", []string{"spdx", "spdx"}, "out/" },
			"exec SCRIPT\n  captured in ATTACHMENTS/web.spdx\n"},
		"source": {func(c *Config) { c.Source = "~/bom.json" }, "get bom.json to ATTACHMENTS/sbom.source\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ops, err := config(tt.change).Lower(provisionertest.Input("/dir"))
			if err != nil {
				t.Fatal(err)
			}
			if c, ok := ops[0].(*op.Capture); ok {
				if got := c.Run.Argv[2]; got != sbom.Script {
					t.Errorf("runs %q", got)
				}
				c.Run.Argv = []string{"SCRIPT"}
			}
			got := strings.NewReplacer(`["SCRIPT"]`, "SCRIPT").Replace(provisionertest.Print(t, ops, "/dir"))
			if got != tt.want {
				t.Errorf("lowered to\n%s\nwant\n%s", got, tt.want)
			}
		})
	}
}

func TestLowerWrong(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"sbom_name: ":                            func(c *Config) { c.SbomName = "a b c" },
		`formats: there is no format "xml"`:      func(c *Config) { c.Formats = []string{"xml"} },
		"formats: is set together with source":   func(c *Config) { c.Source, c.Formats = "/a", []string{"spdx"} },
		`source: "/a/" is a folder`:              func(c *Config) { c.Source = "/a/" },
		`sbom_name: "" is no name: it has 3 to`:  func(c *Config) { c.SbomName = "" },
		`sbom_name: "../x" is no name: it has 3`: func(c *Config) { c.SbomName = "../x" },
	} {
		if _, err := config(change).Lower(provisionertest.Input("/dir")); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestKey: what is attached counts, where it is copied to does not.
func TestKey(t *testing.T) {
	t.Parallel()
	hash := func(change func(*Config)) string {
		ops, err := config(change).Lower(provisionertest.Input("/dir"))
		if err != nil {
			t.Fatal(err)
		}
		return string(op.Hash(ops))
	}
	plain := hash(func(*Config) {})
	if hash(func(c *Config) { c.Destination = "out" }) != plain {
		t.Error("destination counts in the key")
	}
	if hash(func(c *Config) { c.Formats = []string{"spdx"} }) == plain || hash(func(c *Config) { c.SbomName = "other" }) == plain {
		t.Error("what is attached does not count in the key")
	}
}

func TestAttach(t *testing.T) {
	t.Parallel()
	dir, host := t.TempDir(), t.TempDir()
	c := config(func(c *Config) { c.Destination = "out" })
	inventory := "inventory\t1\nos\tdebian\t12\tDebian\t\ndeb\tinstalled\tbash\t5.2\tamd64\tbash\t5.2\tDebian\t\n"
	if err := os.WriteFile(filepath.Join(dir, c.file()), []byte(inventory), 0o600); err != nil {
		t.Fatal(err)
	}
	docs, err := c.Attach(dir, provisionertest.Input(host))
	if err != nil || len(docs) != 2 || docs[0].Type != sbom.CycloneDXType || docs[1].Type != sbom.SPDXType {
		t.Fatalf("%+v, %v", docs, err)
	}
	for _, doc := range docs {
		copied, err := os.ReadFile(filepath.Join(host, "out", "sbom"+sbom.Extension(doc.Type)))
		if typ, derr := sbom.Detect(copied); err != nil || derr != nil || typ != doc.Type || int64(len(copied)) != doc.Size {
			t.Errorf("copy of %s: %s, %v, %v", doc.Type, typ, err, derr)
		}
	}
	c = config(func(c *Config) { c.Source, c.Destination = "/bom", "file.json" })
	if err := os.WriteFile(filepath.Join(dir, c.file()), docs[1].Data, 0o600); err != nil {
		t.Fatal(err)
	}
	docs, err = c.Attach(dir, provisionertest.Input(host))
	if err != nil || len(docs) != 1 || docs[0].Type != sbom.SPDXType {
		t.Fatalf("%+v, %v", docs, err)
	}
	if _, err := os.Stat(filepath.Join(host, "file.json")); err != nil {
		t.Error(err)
	}
	if err := os.WriteFile(filepath.Join(dir, c.file()), []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Attach(dir, provisionertest.Input(host)); err == nil || !strings.Contains(err.Error(), "/bom: it is neither") {
		t.Errorf("error %v", err)
	}
}
