package container

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	gateway "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/tonistiigi/fsutil/types"

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
	if err := os.MkdirAll(filepath.Dir(local), 0o755); err != nil {
		return err
	}
	return s.write(ctx, name, local, st)
}

// write writes a file's content beside its place and then puts it there.
func (s *buildSession) write(ctx context.Context, name, local string, st *types.Stat) (err error) {
	f, err := os.CreateTemp(filepath.Dir(local), ".ingot-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = f.Close()
			_ = os.Remove(f.Name())
		}
	}()
	for offset := int64(0); offset < st.Size; {
		data, err := s.ref.ReadFile(ctx, gateway.ReadRequest{Filename: name, Range: &gateway.FileRange{Offset: int(offset), Length: chunk}})
		if err != nil {
			return s.kit.explain(ctx, err)
		}
		if len(data) == 0 {
			return fmt.Errorf("it ended after %d of %d bytes", offset, st.Size)
		}
		if _, err := f.Write(data); err != nil {
			return err
		}
		offset += int64(len(data))
	}
	if err := f.Chmod(fs.FileMode(st.Mode).Perm()); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), local)
}

func (s *buildSession) getFolder(ctx context.Context, name, local string) error {
	entries, err := s.ref.ReadDir(ctx, gateway.ReadDirRequest{Path: name})
	if err != nil {
		return s.kit.explain(ctx, err)
	}
	if err := os.MkdirAll(local, 0o755); err != nil {
		return err
	}
	for _, e := range entries {
		from, to := path.Join(name, e.Path), filepath.Join(local, path.Base(e.Path))
		switch mode := fs.FileMode(e.Mode); {
		case mode.IsDir():
			err = s.getFolder(ctx, from, to)
		case mode.IsRegular():
			err = s.write(ctx, from, to, e)
		case mode.Type() == fs.ModeSymlink:
			_ = os.Remove(to)
			err = os.Symlink(e.Linkname, to)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
