package hostfile

import (
	"os"
	"path/filepath"
	"strings"
)

// Path returns the path that an option of a template in dir means: "~/" is the
// user's home, and another relative path is in dir, or where the process is
// where dir is "". An empty path stays empty.
func Path(dir, path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if path == "" || dir == "" || filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
