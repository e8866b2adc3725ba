// Package hostfile finds, reads and writes files of this host.
package hostfile

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Write writes a file by a function. It is there whole, with the new content,
// or as it was: until the end it has another name, in the same folder, and only
// its owner may read it. The folder is made where it is missing. Write returns
// the file's size in bytes.
func Write(path string, perm os.FileMode, write func(io.Writer) error) (size int64, err error) {
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return 0, err
	}
	f, err := renameio.NewPendingFile(path, renameio.WithTempDir(dir), renameio.WithStaticPermissions(0o600))
	if err != nil {
		return 0, err
	}
	defer func() { _ = f.Cleanup() }() // no file where there was an error
	w := bufio.NewWriterSize(f, 1<<20)
	if err := write(w); err != nil {
		return 0, err
	}
	if err := w.Flush(); err != nil {
		return 0, err
	}
	st, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if err := f.Chmod(perm); err != nil {
		return 0, err
	}
	return st.Size(), f.CloseAtomicallyReplace()
}

// CheckOutput refuses a path that can't be written to because it is a folder.
func CheckOutput(path string) error {
	if st, err := os.Stat(path); err == nil && st.IsDir() {
		return fmt.Errorf("%s is a folder", path)
	}
	return nil
}

// Reader reads from r until its context ends.
func Reader(ctx context.Context, r io.Reader) io.Reader { return reader{ctx, r} }

type reader struct {
	ctx context.Context
	io.Reader
}

func (r reader) Read(p []byte) (int, error) {
	if r.ctx.Err() != nil {
		return 0, context.Cause(r.ctx)
	}
	return r.Reader.Read(p)
}
