package container

import (
	"os"

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
