package provisioners

import (
	"path/filepath"
	"strings"
)

// RemotePath returns a path of the machine, from one in a template: a leading
// "~/" is dropped, as relative paths start at the login's home.
func RemotePath(p string) string {
	if p == "~" {
		return "."
	}
	return strings.TrimPrefix(p, "~/")
}

// hostPath keeps a trailing slash, which has a meaning for folders.
func hostPath(dir, p string) string {
	if p == "" || filepath.IsAbs(p) || dir == "" {
		return p
	}
	joined := filepath.Join(dir, p)
	if p[len(p)-1] == '/' {
		joined += "/"
	}
	return joined
}
