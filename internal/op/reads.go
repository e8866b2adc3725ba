package op

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"

	"github.com/ingot-build/ingot/internal/key"
)

// ReadTree returns the files below a folder of this host that a Local uses
// where they are. Links are followed; of modes only counts whether a file is a
// program. Leave, which may be nil, says what to leave out: it is asked for each
// name, slash-separated and below the folder.
func ReadTree(folder string, leave func(name string, dir bool) bool) (*Tree, error) {
	r := &reader{root: folder, leave: leave, tree: &Tree{Name: folder, again: func() (*Tree, error) { return ReadTree(folder, leave) }}}
	if err := r.dir(".", nil); err != nil {
		return nil, err
	}
	h := key.New("reads/1").Int(int64(len(r.tree.Entries)))
	for _, e := range r.tree.Entries {
		h.String(e.Name).String(e.Digest)
	}
	r.tree.Digest = string(h.Sum())
	return r.tree, nil
}

type reader struct {
	root  string
	leave func(name string, dir bool) bool
	tree  *Tree
}

// dir reads one folder; above are those that it is in, as they are without
// links: a link to one of them is left out.
func (r *reader) dir(name string, above []string) error {
	real, err := filepath.EvalSymlinks(filepath.Join(r.root, filepath.FromSlash(name)))
	if err != nil || slices.Contains(above, real) {
		return err
	}
	above = append(above[:len(above):len(above)], real)
	entries, err := os.ReadDir(real)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := r.entry(path.Join(name, e.Name()), above); err != nil {
			return err
		}
	}
	return nil
}

func (r *reader) entry(name string, above []string) error {
	file := filepath.Join(r.root, filepath.FromSlash(name))
	st, err := os.Stat(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // a link to nothing, or gone since
	}
	if err != nil {
		return err
	}
	if r.leave != nil && r.leave(name, st.IsDir()) {
		return nil
	}
	switch {
	case st.IsDir():
		return r.dir(name, above)
	case !st.Mode().IsRegular():
		return nil
	}
	b, err := FileBlob(file)
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	digest := b.Digest
	if st.Mode()&0o100 != 0 { // of its mode no more: the rest is up to who checked it out
		digest += " executable"
	}
	r.tree.Entries = append(r.tree.Entries, Entry{Name: name, Digest: digest})
	r.tree.Size += b.Size
	return nil
}
