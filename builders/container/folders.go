package container

import (
	"context"
	"io"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"sync"

	"github.com/moby/buildkit/client/llb"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/ingot-build/ingot/internal/op"
)

// folders are what BuildKit may ask this host for, by name. The names have a
// part that no other session has: BuildKit takes sources of the same name in
// two builds for the same.
type folders struct {
	unique string

	mu   sync.Mutex
	list []fsutil.FS
}

func newFolders(unique string) *folders { return &folders{unique: unique} }

// add returns a state with the content of fsys. What was sent under the same
// hint before is only updated.
func (f *folders) add(fsys fsutil.FS, hint, text string) llb.State {
	f.mu.Lock()
	defer f.mu.Unlock()
	name := f.unique + "/" + strconv.Itoa(len(f.list))
	f.list = append(f.list, fsys)
	return llb.Local(name, llb.SharedKeyHint(hint), llb.WithCustomName("load for "+text))
}

// LookupDir answers BuildKit.
func (f *folders) LookupDir(name string) (fsutil.FS, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, err := strconv.Atoi(strings.TrimPrefix(name, f.unique+"/"))
	if err != nil || i < 0 || i >= len(f.list) {
		return nil, false
	}
	return f.list[i], true
}

// treeFS gives BuildKit the files of an fs.FS, all of them root's.
type treeFS struct{ fsys fs.FS }

func (t treeFS) Open(name string) (io.ReadCloser, error) { return t.fsys.Open(path.Clean(name)) }

func (t treeFS) Walk(ctx context.Context, target string, visit fs.WalkDirFunc) error {
	target = strings.TrimPrefix(path.Clean("/"+target), "/")
	if target == "" {
		target = "."
	}
	return fs.WalkDir(t.fsys, target, func(name string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if name == "." {
			return err
		}
		if err != nil {
			return visit(name, nil, err)
		}
		stat, err := t.stat(name, d)
		if err != nil {
			return err
		}
		return visit(name, &fsutil.DirEntryInfo{Stat: stat}, nil)
	})
}

func (t treeFS) stat(name string, d fs.DirEntry) (*types.Stat, error) {
	info, err := d.Info()
	if err != nil {
		return nil, err
	}
	// Of the mode just what counts in the key, and what a machine gets.
	stat := &types.Stat{Path: name, Mode: uint32(info.Mode().Type() | info.Mode().Perm()), ModTime: info.ModTime().UnixNano()}
	switch {
	case info.Mode().IsRegular():
		stat.Size = info.Size()
	case info.Mode().Type() == fs.ModeSymlink:
		stat.Linkname, err = fs.ReadLink(t.fsys, name)
	}
	return stat, err
}

// fileFS gives BuildKit one file.
type fileFS struct {
	name string
	file op.File
}

func (f fileFS) Open(string) (io.ReadCloser, error) { return f.file.Blob.Open() }

func (f fileFS) Walk(_ context.Context, _ string, visit fs.WalkDirFunc) error {
	return visit(f.name, &fsutil.DirEntryInfo{Stat: &types.Stat{
		Path: f.name, Mode: uint32(f.file.Perm()), Size: f.file.Blob.Size, ModTime: f.modTime(),
	}}, nil)
}

// modTime stands for the content: BuildKit asks for a file again when its time
// or its size has changed.
func (f fileFS) modTime() int64 {
	n, err := strconv.ParseUint(f.file.Blob.Digest[:min(12, len(f.file.Blob.Digest))], 16, 64)
	if err != nil {
		return 0
	}
	return int64(n)
}
