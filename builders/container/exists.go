package container

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/internal/artifact"
)

// filesExist reports whether the files are there with their sizes.
func filesExist(files []artifact.File) bool {
	for _, f := range files {
		if st, err := os.Stat(f.Path); err != nil || st.Size() != f.Size {
			return false
		}
	}
	return true
}

// imageExists reports whether the layout has all blobs of the image.
func imageExists(layout string, img *artifact.Image) (bool, error) {
	if img == nil {
		return false, nil
	}
	text, err := readBlob(layout, ocispec.Descriptor{Digest: digestOf(img.Digest), Size: img.Size})
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	var m ocispec.Manifest
	if err := json.Unmarshal(text, &m); err != nil {
		return false, fmt.Errorf("manifest %s: %w", img.Digest, err)
	}
	for _, desc := range append(m.Layers, m.Config) {
		if st, err := os.Stat(blobPath(layout, desc.Digest)); err != nil || st.Size() != desc.Size {
			return false, nil
		}
	}
	return true, nil
}
