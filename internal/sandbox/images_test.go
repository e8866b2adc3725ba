package sandbox

import (
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/host"
)

func TestCatalogIsKept(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), imagesName)
	image := func(match, suite string) catalog.Image {
		return catalog.Image{Match: match, Base: host.Base{Suite: suite}}
	}
	i, err := openImages(path, catalog.Catalog{image("a", "one"), image("b", "one")})
	if err != nil {
		t.Fatal(err)
	}
	if err := i.add(catalog.Catalog{image("c", "two"), image("a", "two")}); err != nil {
		t.Fatal(err)
	}
	want := append(catalog.Catalog{image("c", "two"), image("a", "two"), image("b", "one")}, catalog.Default()...)
	if d := cmp.Diff(want, i.Catalog()); d != "" {
		t.Error(d)
	}
	again, err := openImages(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, again.Catalog()); d != "" {
		t.Error(d)
	}
}
