package host

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ingot-build/ingot/internal/sandbox/first"
)

// layer is where a layer is: a folder, or a link to one in the cache.
func (h *local) layer(id LayerID) string {
	return filepath.Join(h.dir, "layers", filepath.Base(string(id)))
}

// Freeze makes a layer of what the machine has changed. Its processes stand
// still meanwhile, so that the layer is what a power cut would leave.
func (h *local) Freeze(ctx context.Context, id string) (_ LayerID, err error) {
	d, err := h.disk(id)
	if err != nil {
		return "", err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	upper := filepath.Join(d.dir, "upper")
	if _, err := os.Stat(upper); err != nil {
		return "", fmt.Errorf("freeze machine %s: it has no disk", id)
	}
	name := make([]byte, 6)
	_, _ = rand.Read(name)
	layer := LayerID("l" + hex.EncodeToString(name))
	temp := filepath.Join(h.dir, "layers", "."+string(layer))
	defer func() {
		if err != nil {
			err = fmt.Errorf("freeze machine %s: %w", id, errors.Join(err, os.RemoveAll(temp)))
		}
	}()
	if m := d.running; m != nil && !m.over() {
		defer func() { _ = m.ask(first.Order{Resume: true}) }()
		if err := m.ask(first.Order{Pause: true}); err != nil && !m.over() {
			return "", err
		}
	}
	if err := copyTree(ctx, temp, upper); err != nil {
		return "", err
	}
	return layer, os.Rename(temp, h.layer(layer))
}

// RemoveLayer removes a layer. A base stays in the cache.
func (h *local) RemoveLayer(id LayerID) error {
	path := h.layer(id)
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() == fs.ModeSymlink:
		return os.Remove(path)
	}
	return os.RemoveAll(path)
}
