package provisioners

import "path/filepath"

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
