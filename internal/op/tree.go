package op

import (
	"fmt"
	"io"
	"io/fs"
	"os"

	"crypto/sha256"
	"encoding/hex"

	"github.com/ingot-build/ingot/internal/key"
)

// DirTree returns a Tree op that writes the content of the folder source of
// this host into dir, and reads the folder once for its digest. Sockets,
// pipes and devices are refused.
func DirTree(dir, source string) (*Tree, error) {
	st, err := os.Stat(source)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", source)
	}
	return FSTree(dir, source, os.DirFS(source))
}

// FSTree is DirTree for the content of a file system. Name is what a person
// calls it.
func FSTree(dir, name string, source fs.FS) (*Tree, error) {
	t := &Tree{Dir: dir, Source: source, Name: name, again: func() (*Tree, error) { return FSTree(dir, name, source) }}
	h := key.New("tree/1")
	err := fs.WalkDir(t.Source, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		h.String(name).Int(int64(info.Mode().Type())).Int(int64(info.Mode().Perm()))
		return t.add(h, name, info)
	})
	if err != nil {
		return nil, err
	}
	t.Digest = string(h.Sum())
	return t, nil
}

func (t *Tree) add(h *key.Hasher, name string, info fs.FileInfo) error {
	switch info.Mode().Type() {
	case fs.ModeDir:
		return nil
	case fs.ModeSymlink:
		target, err := fs.ReadLink(t.Source, name)
		h.String(target)
		return err
	case 0:
		sum, err := digest(t.Source, name)
		h.String(sum)
		t.Entries = append(t.Entries, Entry{Name: name, Digest: sum})
		t.Size += info.Size()
		return err
	}
	return fmt.Errorf("%s is no file, folder or symlink: nothing else can be uploaded", name)
}

func digest(fsys fs.FS, name string) (string, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
