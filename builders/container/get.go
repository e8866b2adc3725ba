package container

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/tonistiigi/fsutil/types"

	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/op"
)

// chunk is how many bytes of a file are asked for at once.
const chunk = 4 << 20

// get reads a file or a folder of the image as it is now.
func (s *buildSession) get(ctx context.Context, o *op.Get) error {
	var err error
	if strings.HasSuffix(o.Path, "/") {
		err = s.getFolder(ctx, path.Clean(o.Path), o.Local)
	} else {
		err = s.getFile(ctx, o.Path, o.Local)
	}
	if err != nil {
		return fmt.Errorf("download %s: %w", o.Path, err)
	}
	return nil
}

func (s *buildSession) getFile(ctx context.Context, name, local string) error {
	st, err := s.ref.StatFile(ctx, gateway.StatRequest{Path: name})
	if err != nil {
		return s.kit.explain(ctx, err)
	}
	if st.IsDir() {
		return fmt.Errorf("it is a folder: end the path with /")
	}
	if strings.HasSuffix(local, "/") {
		local = filepath.Join(local, path.Base(name))
	}
	_, err = hostfile.Write(local, fs.FileMode(st.Mode).Perm(), func(w io.Writer) error { return s.read(ctx, name, st.Size, w) })
	return err
}

// read reads a file's content.
func (s *buildSession) read(ctx context.Context, name string, size int64, w io.Writer) error {
	for offset := int64(0); offset < size; {
		data, err := s.ref.ReadFile(ctx, gateway.ReadRequest{Filename: name, Range: &gateway.FileRange{Offset: int(offset), Length: chunk}})
		if err != nil {
			return s.kit.explain(ctx, err)
		}
		if len(data) == 0 {
			return fmt.Errorf("it ended after %d of %d bytes", offset, size)
		}
		if _, err := w.Write(data); err != nil {
			return err
		}
		offset += int64(len(data))
	}
	return nil
}

func (s *buildSession) getFolder(ctx context.Context, name, local string) error {
	if err := os.MkdirAll(local, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(local)
	if err != nil {
		return err
	}
	defer root.Close()
	return s.readFolder(ctx, name, root, ".")
}

// readFolder writes what is in a folder of the image below root, and nothing
// outside of it.
func (s *buildSession) readFolder(ctx context.Context, name string, root *os.Root, local string) error {
	entries, err := s.ref.ReadDir(ctx, gateway.ReadDirRequest{Path: name})
	if err != nil {
		return s.kit.explain(ctx, err)
	}
	for _, e := range entries {
		from, to := path.Join(name, e.Path), filepath.Join(local, path.Base(e.Path))
		switch mode := fs.FileMode(e.Mode); {
		case mode.IsDir():
			if err = root.MkdirAll(to, 0o755); err == nil {
				err = s.readFolder(ctx, from, root, to)
			}
		case mode.IsRegular():
			err = s.readInto(ctx, from, e, root, to)
		case mode.Type() == fs.ModeSymlink:
			_ = root.Remove(to)
			err = root.Symlink(e.Linkname, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *buildSession) readInto(ctx context.Context, name string, st *types.Stat, root *os.Root, local string) error {
	if err := root.Remove(local); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := root.OpenFile(local, os.O_WRONLY|os.O_CREATE|os.O_EXCL, fs.FileMode(st.Mode).Perm())
	if err != nil {
		return err
	}
	return errors.Join(s.read(ctx, name, st.Size, f), f.Close())
}
