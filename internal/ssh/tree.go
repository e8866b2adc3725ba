package ssh

import (
	"archive/tar"
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"

	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/transport"
)

// packTree writes the content of fsys as a tar stream. The folder itself is
// not in it: the one on the machine keeps its mode.
func packTree(w io.Writer, fsys fs.FS) error {
	buffered := bufio.NewWriterSize(w, transferBuffer)
	tw := tar.NewWriter(buffered)
	buf := make([]byte, transferBuffer)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		return packEntry(tw, fsys, name, info, buf)
	})
	if err != nil {
		return err
	}
	return errors.Join(tw.Close(), buffered.Flush())
}

func packEntry(tw *tar.Writer, fsys fs.FS, name string, info fs.FileInfo, buf []byte) error {
	h := &tar.Header{Name: name, Mode: int64(info.Mode().Perm()), Format: tar.FormatPAX}
	switch info.Mode().Type() {
	case fs.ModeDir:
		h.Typeflag, h.Name = tar.TypeDir, name+"/"
		return tw.WriteHeader(h)
	case fs.ModeSymlink:
		target, err := fs.ReadLink(fsys, name)
		if err != nil {
			return err
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
		return tw.WriteHeader(h)
	case 0:
	default:
		return fmt.Errorf("%s is no file, folder or symlink: nothing else can be uploaded", name)
	}
	f, err := fsys.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	h.Typeflag, h.Size = tar.TypeReg, info.Size()
	if err := tw.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.CopyBuffer(onlyWriter{tw}, onlyReader{f}, buf)
	if errors.Is(err, tar.ErrWriteTooLong) || (err == nil && n != info.Size()) {
		return fmt.Errorf("%s has changed while it was uploaded", name)
	}
	return err
}

// Get reads a file of the machine, or the content of a folder when from ends
// in "/", to a path of this host. A file goes into a folder when to ends in
// "/" or is one.
func (c *Conn) Get(ctx context.Context, from, to string) error {
	if from != "" && from[len(from)-1] == '/' {
		return c.getTree(ctx, from, to)
	}
	if st, err := os.Stat(to); to == "" || to[len(to)-1] == '/' || (err == nil && st.IsDir()) {
		to = filepath.Join(to, path.Base(from))
	}
	_, err := hostfile.Write(to, 0o644, func(w io.Writer) error {
		return c.download(ctx, getScript, from, func(r io.Reader) error {
			_, err := io.CopyBuffer(onlyWriter{w}, onlyReader{r}, make([]byte, transferBuffer))
			return err
		})
	})
	return err
}

const getScript = `LC_ALL=C; export LC_ALL
[ ! -d "$1" ] || { echo "is a folder: end its path with / to get its content" >&2; exit 1; }
exec cat -- "$1"`

const getTreeScript = `LC_ALL=C; export LC_ALL; cd -- "$1" || exit 1
command -v tar >/dev/null || { echo "tar is not installed on the machine" >&2; exit 1; }
exec tar -c -f - .`

func (c *Conn) getTree(ctx context.Context, from, to string) error {
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer root.Close()
	return c.download(ctx, getTreeScript, from, func(r io.Reader) error { return unpackTree(root, r) })
}

// download runs a script of the machine whose output take reads to its end.
func (c *Conn) download(ctx context.Context, text, from string, take func(io.Reader) error) error {
	s, err := c.open(ctx, c.client.limits(Target{}))
	if err != nil {
		return err
	}
	if err := s.start(scriptCommand(text, []string{from})); err != nil {
		s.ch.Close()
		return c.client.fail(c.target, fmt.Errorf("%w: %w", transport.ErrLost, err))
	}
	_ = s.ch.CloseWrite()
	errs := &tail{}
	pr, pw := io.Pipe()
	taken := make(chan error, 1)
	go func() {
		err := take(pr)
		if err != nil {
			s.ch.Close()
		}
		_, _ = io.Copy(io.Discard, pr) // what follows the end of an archive
		taken <- err
	}()
	output := s.copies(pw, errs)
	exit, err := s.finish(ctx, output, func() { s.ch.Close() })
	s.ch.Close()
	pw.CloseWithError(endOf(exit, err))
	takeErr := <-taken
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := c.transferred(exit, err, errs.String(), from); err != nil && (exit.Code != 0 || takeErr == nil) {
		return err
	}
	return takeErr
}

// endOf is what the reader of a download sees at its end: a part must not be
// taken for the whole.
func endOf(exit Exit, err error) error {
	if err != nil || exit.Code != 0 {
		return io.ErrUnexpectedEOF
	}
	return io.EOF
}

// unpackTree writes the entries of a tar stream below root, and nothing
// outside of it.
func unpackTree(root *os.Root, r io.Reader) error {
	tr := tar.NewReader(bufio.NewReaderSize(r, transferBuffer))
	buf := make([]byte, transferBuffer)
	for {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := path.Clean(h.Name)
		if name == "." {
			continue
		}
		if err := unpackEntry(root, tr, h, filepath.FromSlash(name), buf); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
}

func unpackEntry(root *os.Root, tr *tar.Reader, h *tar.Header, name string, buf []byte) error {
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	mode := fs.FileMode(h.Mode).Perm()
	if h.Typeflag == tar.TypeDir {
		// The owner must be able to write into it while it is filled.
		return root.MkdirAll(name, mode|0o700)
	}
	if err := root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		return root.Symlink(h.Linkname, name)
	case tar.TypeLink:
		return root.Link(filepath.FromSlash(path.Clean(h.Linkname)), name)
	case tar.TypeReg:
	default:
		return fmt.Errorf("can't be downloaded: it is neither a file, a folder nor a link")
	}
	f, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(onlyWriter{f}, onlyReader{tr}, buf)
	return errors.Join(err, f.Close())
}
