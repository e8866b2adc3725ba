// Package staging is what provisioners that run a configuration tool on the
// machine have in common: a folder there that the tool's files are put into,
// and a script that runs the tool and cleans up after it.
package staging

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/script"
)

// Options say where a folder is and what becomes of it.
type Options struct {
	Tool   string // names the folder where nobody else does: "puppet"
	Chosen string // path that the template chose; "" is none
	Clean  bool   // remove also a folder that was chosen
	Sudo   bool   // where the login may not, sudo is asked
	// Packer is where Packer puts the files by default, and Mentions is what
	// may name that place. If none does, nobody can depend on it, and the
	// folder gets a name that no other run has.
	Packer   string
	Mentions []string
}

// Folder is a folder on the machine, and what is to be put into it.
type Folder struct {
	Path string // on the machine

	in     provisioners.Input
	sudo   bool
	public bool // its place is known: it may be there already, and may not be ours to write to
	remove bool
	tool   string

	uploads []op.Op
	inputs  []op.File
}

// New returns a folder.
func New(in provisioners.Input, o Options) *Folder {
	f := &Folder{in: in, sudo: o.Sudo, tool: o.Tool, Path: provisioners.RemotePath(o.Chosen), remove: o.Clean, public: true}
	names := func(text string) bool { return strings.Contains(text, o.Packer) }
	switch {
	case o.Chosen != "":
	case slices.ContainsFunc(o.Mentions, names):
		f.Path = o.Packer
	default:
		f.Path = fmt.Sprintf("/tmp/ingot-%s-%s-%d", o.Tool, op.Token(op.Scratch), in.Index)
		f.public, f.remove = false, true
	}
	return f
}

// Join returns the path of a name in the folder.
func (f *Folder) Join(name string) string { return path.Join(f.Path, name) }

// Tree puts the content of a folder of this host into the folder's name, and
// returns its path there. The option says where the host's path is from. What
// is called like one of without, at any depth, stays here.
func (f *Folder) Tree(option, host, name string, without ...string) (string, error) {
	if err := look(f.in, option, host, true); err != nil {
		return "", err
	}
	dir := filepath.Clean(f.in.Path(host))
	tree, err := op.FSTree(f.Join(name), dir, lessFS{os.DirFS(dir), without})
	if err != nil {
		return "", unreadable(option, host, err)
	}
	f.uploads = append(f.uploads, tree)
	return tree.Dir, nil
}

// File puts a file of this host into the folder and returns its path there.
func (f *Folder) File(option, host, name string) (string, error) {
	if err := look(f.in, option, host, false); err != nil {
		return "", err
	}
	blob, err := op.FileBlob(f.in.Path(host))
	if err != nil {
		return "", unreadable(option, host, err)
	}
	return f.put(op.File{Path: f.Join(name), Mode: 0o644, Blob: blob}), nil
}

// Text puts text into a file of the folder and returns its path there. The
// file is the login's only, and is removed in any case, when it is sensitive.
func (f *Folder) Text(name string, text secret.String) string {
	file := op.File{Path: f.Join(name), Mode: 0o644, Blob: op.Text(text)}
	if script.Revealing(text) {
		file.Mode = 0o600
		f.inputs = append(f.inputs, file)
		return file.Path
	}
	return f.put(file)
}

// Secret is File for a file that only the login may read, that is removed in
// any case, and that gets into no image.
func (f *Folder) Secret(option, host, name string) (string, error) {
	text, err := Read(f.in, option, host)
	if err != nil {
		return "", err
	}
	blob := op.Text(secret.Sensitive(text))
	blob.Name = f.in.Path(host)
	file := op.File{Path: f.Join(name), Mode: 0o600, Blob: blob}
	f.inputs = append(f.inputs, file)
	return file.Path, nil
}

// Secrets is Secret for all files of a folder of this host. It returns the
// path of the folder on the machine.
func (f *Folder) Secrets(option, host, name string) (string, error) {
	if err := look(f.in, option, host, true); err != nil {
		return "", err
	}
	err := filepath.WalkDir(f.in.Path(host), func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return unreadable(option, host, err)
		}
		if d.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(f.in.Path(host), file)
		if err != nil {
			return err
		}
		_, err = f.Secret(option, file, path.Join(name, filepath.ToSlash(rel)))
		return err
	})
	return f.Join(name), err
}

// Read returns the content of a file of this host.
func Read(in provisioners.Input, option, host string) (string, error) {
	if err := look(in, option, host, false); err != nil {
		return "", err
	}
	text, err := os.ReadFile(in.Path(host))
	if err != nil {
		return "", unreadable(option, host, err)
	}
	return string(text), nil
}

// put uploads a file, or has it there only as long as the tool runs, when the
// folder is removed afterwards.
func (f *Folder) put(file op.File) string {
	if f.remove {
		f.inputs = append(f.inputs, file)
	} else {
		f.uploads = append(f.uploads, &op.Put{File: file})
	}
	return file.Path
}

// look checks that there is a file, or a folder, of this host.
func look(in provisioners.Input, option, host string, folder bool) error {
	st, err := os.Stat(in.Path(host))
	switch {
	case err != nil && folder && errors.Is(err, fs.ErrNotExist):
		return component.Errorf(option, "there is no folder %s", host)
	case err != nil:
		return unreadable(option, host, err)
	case folder && !st.IsDir():
		return component.Errorf(option, "%q is a file, not a folder", host)
	case !folder && st.IsDir():
		return component.Errorf(option, "%q is a folder, not a file", host)
	}
	return nil
}

func unreadable(option, host string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return component.Errorf(option, "there is no file %s", host)
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return component.Errorf(option, "read %s: %v", host, err)
}

// lessFS is a file system without what has one of the names.
type lessFS struct {
	fs.FS
	without []string
}

// ReadDir leaves the names out.
func (l lessFS) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(l.FS, name)
	return slices.DeleteFunc(entries, func(e fs.DirEntry) bool { return slices.Contains(l.without, e.Name()) }), err
}

// ReadLink makes it a file system with symlinks.
func (l lessFS) ReadLink(name string) (string, error) { return fs.ReadLink(l.FS, name) }

// Lstat does not follow symlinks.
func (l lessFS) Lstat(name string) (fs.FileInfo, error) { return fs.Lstat(l.FS, name) }
