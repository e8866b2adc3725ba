package sandbox

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/google/renameio/v2"

	"github.com/ingot-build/ingot/internal/sandbox/catalog"
)

const imagesName = "catalog.json"

// images is the catalogue of a sandbox, kept in a file.
type images struct {
	path string
	mu   sync.Mutex
	list catalog.Catalog
}

func openImages(path string, first catalog.Catalog) (*images, error) {
	i := &images{path: path}
	text, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		if err := json.Unmarshal(text, &i.list); err != nil {
			return nil, err
		}
	}
	return i, i.add(first)
}

// Catalog is all there is, Debian for any image last.
func (i *images) Catalog() catalog.Catalog {
	i.mu.Lock()
	defer i.mu.Unlock()
	return append(slices.Clone(i.list), catalog.Default()...)
}

// add puts images in front of those that are there, and replaces those of the
// same pattern.
func (i *images) add(list catalog.Catalog) error {
	if len(list) == 0 {
		return nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	rest := slices.DeleteFunc(slices.Clone(i.list), func(old catalog.Image) bool {
		return slices.ContainsFunc(list, func(img catalog.Image) bool { return img.Match == old.Match })
	})
	all := append(slices.Clone(list), rest...)
	text, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := renameio.WriteFile(i.path, text, 0o600); err != nil {
		return err
	}
	i.list = all
	return nil
}
