package container

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/buildertest"
	"github.com/ingot-build/ingot/internal/artifact"
)

// What every builder promises.
func TestConformance(t *testing.T) {
	t.Parallel()
	needDebian(t)
	layout := filepath.Join(t.TempDir(), "layout")
	open := func(t *testing.T, layout string, change func(*Config)) builders.Builder {
		t.Helper()
		c := debianConfig()
		change(c)
		b, err := c.Open(builders.Host{Dir: t.TempDir(), Cache: cache, Layout: layout})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	buildertest.Run(t, buildertest.Harness{
		New: func(t *testing.T) builders.Builder { return open(t, layout, func(*Config) {}) },
		Broken: func(t *testing.T) builders.Builder {
			file := filepath.Join(t.TempDir(), "file")
			if err := os.WriteFile(file, nil, 0o644); err != nil {
				t.Fatal(err)
			}
			return open(t, file, func(*Config) {})
		},
		Reopen: func(t *testing.T, a artifact.Artifact) builders.Builder {
			return open(t, layout, func(c *Config) { c.Bootstrap, c.OCILayout = nil, layout+"@"+a.ID })
		},
		Leaks: func() []string {
			unfinished, _ := filepath.Glob(filepath.Join(layout, "ingest", "*"))
			return unfinished
		},
	})
}
