package gce

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	"google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// content is what is on a disk, an image or a snapshot: a file tree where
// machines boot from it, or the bytes of a data disk.
type content struct {
	Public  []string       `json:"public,omitempty"`  // names of a public image, by which the catalogue has its base
	Base    host.LayerID   `json:"base,omitempty"`    // that base, once it was needed
	Layers  []host.LayerID `json:"layers,omitempty"`  // above the base, lowest first
	Machine string         `json:"machine,omitempty"` // the host's disk that has the tree, once it has booted
	File    string         `json:"file,omitempty"`    // of a data disk, in the folder disks
	From    string         `json:"from,omitempty"`    // the file that File is to be a copy of
	Archive string         `json:"archive,omitempty"` // the object of a raw disk, until it is unpacked
}

func (c *content) bootable() bool {
	return len(c.Public)+len(c.Layers) > 0 || c.Base+host.LayerID(c.Machine) != ""
}

// copy is the content of something new that is made of this.
func (c *content) copy() *content {
	return &content{Public: c.Public, Base: c.Base, Layers: slices.Clone(c.Layers), Machine: c.Machine, From: cmp.Or(c.File, c.From)}
}

func (c *content) tree() []host.LayerID {
	return append([]host.LayerID{c.Base}, c.Layers...)
}

func (s *Server) file(name string) string { return filepath.Join(s.options.Dir, "disks", name) }

// freeze makes the content of a new image, snapshot or disk its own: the tree
// of the machine that it is of becomes a layer, a file is copied.
func (s *Server) freeze(path string) error {
	var from content
	var id uint64
	s.locked(func() {
		if r := s.state.Resources[path]; r != nil {
			from, id = *r.Content, r.ID
		}
	})
	var layer host.LayerID
	var file string
	var err error
	switch {
	case from.Machine != "":
		layer, err = s.options.Host.Freeze(s.ctx, from.Machine)
	case from.From != "":
		file = fmt.Sprintf("%d.img", id)
		err = copySparse(s.file(file), s.file(from.From))
	}
	if err != nil || layer == "" && file == "" {
		return err
	}
	s.locked(func() {
		s.dirty = true
		r := s.state.Resources[path]
		if layer != "" {
			s.state.Layers[layer] = true
			r.Content.Layers, r.Content.Machine = append(r.Content.Layers, layer), ""
		} else {
			r.Content.File, r.Content.From = file, ""
		}
	})
	return nil
}

// base finds the file tree below a disk that is about to boot.
func (s *Server) base(ctx context.Context, path string) error {
	var of content
	s.locked(func() { of = *s.state.Resources[path].Content })
	if of.Base != "" {
		return nil
	}
	found, ok := s.options.Catalog().Find(of.Public...)
	if !ok {
		return fmt.Errorf("the catalogue has no image for %s any more", strings.Join(of.Public, ", "))
	}
	layer, err := s.options.Host.Base(ctx, found.Base, logWriter{s.options.Log})
	if err != nil {
		return err
	}
	s.locked(func() { s.state.Resources[path].Content.Base, s.dirty = layer, true })
	return nil
}

// plant writes the tree of a disk that was made of an image where a machine finds
// it that does not boot from it.
func (s *Server) plant(path string) error {
	var tree bool
	var file string
	var size int64
	s.locked(func() {
		if r := s.state.Resources[path]; r != nil {
			tree = r.Content.bootable() && r.Content.Machine == ""
			file, size = s.file(r.blank()), r.Disk.SizeGb<<30
		}
	})
	if _, err := os.Stat(file); !tree || err == nil {
		return nil
	}
	if err := s.base(s.ctx, path); err != nil {
		return err
	}
	var layers []host.LayerID
	s.locked(func() { layers = s.state.Resources[path].Content.tree() })
	return s.options.Host.WriteDisk(s.ctx, layers, file, size)
}

// logWriter has the progress of a base in the debugging log.
type logWriter struct{ log *slog.Logger }

func (w logWriter) Write(p []byte) (int, error) {
	w.log.Debug("gce: base: " + strings.TrimSpace(string(p)))
	return len(p), nil
}

// erase removes a resource, what is on it, and layers that nothing uses then.
// It takes the time that removing takes, without the lock.
func (s *Server) erase(path string) error {
	var machine string
	var files []string
	s.locked(func() {
		r := s.state.Resources[path]
		if r == nil {
			return
		}
		files = slices.Clone(r.Scratch)
		if r.Disk != nil {
			machine = r.Content.Machine
			files = append(files, r.blank())
		}
		if r.Content != nil && r.Content.File != "" {
			files = append(files, r.Content.File)
		}
	})
	if machine != "" {
		if err := s.options.Host.Remove(machine); err != nil {
			return err
		}
	}
	for _, name := range files {
		if err := os.Remove(s.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	var layers []host.LayerID
	s.locked(func() {
		delete(s.state.Resources, path)
		s.dirty = true
		layers = s.unusedLayers()
	})
	for _, layer := range layers {
		if err := s.options.Host.RemoveLayer(layer); err != nil {
			return err
		}
		s.locked(func() { delete(s.state.Layers, layer); s.dirty = true })
	}
	return nil
}

// unusedLayers are those that nothing is made of.
func (s *Server) unusedLayers() []host.LayerID {
	used := map[host.LayerID]bool{}
	for _, r := range s.state.Resources {
		if r.Content != nil {
			for _, layer := range r.Content.Layers {
				used[layer] = true
			}
		}
	}
	var all []host.LayerID
	for layer := range s.state.Layers {
		if !used[layer] {
			all = append(all, layer)
		}
	}
	return all
}

// copySparse copies a file without its holes.
func copySparse(to, from string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer out.Close()
	if err := out.Truncate(info.Size()); err != nil {
		return err
	}
	for at := int64(0); at < info.Size(); {
		data, err := in.Seek(at, unix.SEEK_DATA)
		if err != nil {
			break // no more data
		}
		hole, err := in.Seek(data, unix.SEEK_HOLE)
		if err != nil {
			return err
		}
		if _, err := io.Copy(io.NewOffsetWriter(out, data), io.NewSectionReader(in, data, hole-data)); err != nil {
			return err
		}
		at = hole
	}
	return out.Close()
}

// makeFile makes the file of an empty data disk.
func (s *Server) makeFile(name string, gigabytes int64) error {
	f, err := os.OpenFile(s.file(name), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || info.Size() >= gigabytes<<30 {
		return err
	}
	return f.Truncate(gigabytes << 30)
}

// hideKey is an encryption key as responses have it: the hash of a key that the
// customer supplied, not the key.
func hideKey(k *compute.CustomerEncryptionKey) *compute.CustomerEncryptionKey {
	if k == nil {
		return nil
	}
	hidden := &compute.CustomerEncryptionKey{KmsKeyName: k.KmsKeyName, KmsKeyServiceAccount: k.KmsKeyServiceAccount, Sha256: k.Sha256}
	if raw := cmp.Or(k.RawKey, k.RsaEncryptedKey); raw != "" {
		text, err := base64.StdEncoding.DecodeString(raw)
		if err != nil {
			text = []byte(raw)
		}
		sum := sha256.Sum256(text)
		hidden.Sha256 = base64.StdEncoding.EncodeToString(sum[:])
	}
	return hidden
}

// sameKey checks the key that is given for a source that a customer's key
// protects.
func sameKey(has, given *compute.CustomerEncryptionKey, kind, path string) error {
	if has == nil || has.Sha256 == "" {
		return nil
	}
	if given == nil {
		return &apiError{Code: 400, Reason: "resourceIsEncryptedWithCustomerEncryptionKey",
			Message: fmt.Sprintf("The %s resource '%s' is protected with a customer supplied encryption key, but none was provided.", kind, path)}
	}
	if hideKey(given).Sha256 != has.Sha256 {
		return &apiError{Code: 400, Reason: "customerEncryptionKeyIsIncorrect",
			Message: fmt.Sprintf("The provided encryption key is incorrect for the %s resource '%s'.", kind, path)}
	}
	return nil
}
