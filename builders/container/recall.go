package container

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/key"
)

// What names meant when they were pulled last is kept in the user's cache, one
// small file each.

func (r *registrySource) memory() string {
	k := key.New("image/1").String(r.opts.image.String()).String(platforms.Format(r.opts.platform)).Sum()
	return filepath.Join(r.host.Cache, "images", string(k)+".json")
}

func (r *registrySource) recall() (pinned, bool) {
	var p pinned
	text, err := os.ReadFile(r.memory())
	if err != nil || json.Unmarshal(text, &p) != nil {
		return p, false
	}
	return p, p.Top.Validate() == nil && p.Manifest.Validate() == nil
}

// remember keeps what a name meant. It only saves asking, so that it could not
// be written is no error.
func (r *registrySource) remember(base builders.Base) {
	_, top, _ := strings.Cut(base.Vars["build.SourceImageDigest"].Reveal(), "@")
	text, err := json.Marshal(pinned{Top: digest.Digest(top), Manifest: digest.Digest(base.ID)})
	if err != nil {
		return
	}
	path := r.memory()
	if os.MkdirAll(filepath.Dir(path), 0o755) != nil {
		return
	}
	temp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return
	}
	_, err = temp.Write(text)
	if temp.Close() != nil || err != nil || os.Rename(temp.Name(), path) != nil {
		_ = os.Remove(temp.Name())
	}
}
