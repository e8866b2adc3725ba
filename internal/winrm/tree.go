package winrm

import (
	"archive/zip"
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/op"
)

// Tree writes a folder's content into t.Dir, as one archive that is unpacked
// there. A link to a file is written as that file.
func (c *Conn) Tree(ctx context.Context, t *op.Tree) error {
	if err := c.open(); err != nil {
		return err
	}
	archive, err := os.CreateTemp("", "ingot-*.zip")
	if err != nil {
		return err
	}
	defer os.Remove(archive.Name())
	h := sha256.New()
	err = packTree(io.MultiWriter(archive, h), t.Source)
	if err = errors.Join(err, archive.Close()); err != nil {
		return err
	}
	s, err := c.shell(ctx, nil, "", usualPatience)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	return c.putItems(ctx, s, []item{{
		kind: 'z', path: t.Dir, digest: hex.EncodeToString(h.Sum(nil)), name: t.Name,
		open: func() (io.ReadCloser, error) { return os.Open(archive.Name()) },
	}})
}

func packTree(w io.Writer, fsys fs.FS) error {
	zw := zip.NewWriter(w)
	err := fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || name == "." {
			return err
		}
		info, err := fs.Stat(fsys, name) // of what a link leads to
		if err != nil {
			return err
		}
		switch {
		case d.IsDir():
			_, err = zw.Create(name + "/")
			return err
		case !info.Mode().IsRegular():
			return fmt.Errorf("%s is a %s: only files, folders and links to files can be uploaded", name, d.Type())
		}
		f, err := fsys.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		out, err := zw.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: info.ModTime()})
		if err != nil {
			return err
		}
		_, err = io.Copy(out, f)
		return err
	})
	return errors.Join(err, zw.Close())
}

// Get reads a file of the machine, or the content of a folder when from ends
// in "/" or "\", to a path of this host. A file goes into a folder when to ends
// in "/" or is one.
func (c *Conn) Get(ctx context.Context, from, to string) error {
	if strings.HasSuffix(from, "/") || strings.HasSuffix(from, `\`) {
		return c.getTree(ctx, from, to)
	}
	if st, err := os.Stat(to); strings.HasSuffix(to, "/") || (err == nil && st.IsDir()) {
		to = filepath.Join(to, path.Base(strings.ReplaceAll(from, `\`, "/")))
	}
	_, err := hostfile.Write(to, 0o644, func(w io.Writer) error { return c.download(ctx, from, false, w) })
	return err
}

// download writes what getScript prints.
func (c *Conn) download(ctx context.Context, from string, dir bool, w io.Writer) error {
	if err := c.open(); err != nil {
		return err
	}
	s, err := c.shell(ctx, nil, "", usualPatience)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	cmd, err := s.start(ctx, powershell(getText(from, dir), false))
	if err != nil {
		return c.fail(fmt.Errorf("download %s: %w", from, err))
	}
	pr, pw := io.Pipe()
	decoded := make(chan error, 1)
	go func() {
		err := decode(pr, w)
		_, _ = io.Copy(io.Discard, pr)
		decoded <- err
	}()
	code, err := cmd.wait(ctx, pw, io.Discard)
	pw.Close()
	decodeErr := <-decoded
	var told *toldError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(decodeErr, &told):
		return c.remote(told.text, []item{{path: from}})
	case err != nil:
		return c.fail(fmt.Errorf("download %s: %w", from, err))
	case code != 0:
		return c.fail(fmt.Errorf("download %s: PowerShell ended with exit code %d", from, code))
	case decodeErr != nil:
		return c.fail(fmt.Errorf("download %s: %w", from, decodeErr))
	}
	return nil
}

// toldError is an error in the words of the machine.
type toldError struct{ text string }

func (e *toldError) Error() string { return e.text }

// decode writes lines of base64 as bytes, up to the line that says how many.
func decode(r io.Reader, w io.Writer) error {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 128<<10), 1<<20)
	var size int64
	for sc.Scan() {
		line := strings.TrimSpace(strings.TrimPrefix(sc.Text(), "\ufeff"))
		if text, ok := strings.CutPrefix(line, "fail:"); ok {
			return &toldError{text}
		}
		if text, ok := strings.CutPrefix(line, "size:"); ok {
			if want, err := strconv.ParseInt(text, 10, 64); err != nil || want != size {
				return fmt.Errorf("it has %s bytes, and %d arrived", text, size)
			}
			return nil
		}
		data, err := base64.StdEncoding.DecodeString(line)
		if err != nil {
			return err
		}
		size += int64(len(data))
		if _, err := w.Write(data); err != nil {
			return err
		}
	}
	return errors.Join(sc.Err(), io.ErrUnexpectedEOF)
}

func (c *Conn) getTree(ctx context.Context, from, to string) error {
	archive, err := os.CreateTemp("", "ingot-*.zip")
	if err != nil {
		return err
	}
	defer os.Remove(archive.Name())
	defer archive.Close()
	if err := c.download(ctx, from, true, archive); err != nil {
		return err
	}
	st, err := archive.Stat()
	if err != nil {
		return err
	}
	zr, err := zip.NewReader(archive, st.Size())
	if err != nil {
		return c.fail(fmt.Errorf("download %s: %w", from, err))
	}
	if err := os.MkdirAll(to, 0o755); err != nil {
		return err
	}
	root, err := os.OpenRoot(to)
	if err != nil {
		return err
	}
	defer root.Close()
	for _, f := range zr.File {
		if err := unpack(root, f); err != nil {
			return fmt.Errorf("%s: %w", f.Name, err)
		}
	}
	return nil
}

// unpack writes one entry below root, and nothing outside of it. Older .NET
// writes names with backslashes.
func unpack(root *os.Root, f *zip.File) error {
	full := strings.ReplaceAll(f.Name, `\`, "/")
	name := filepath.FromSlash(path.Clean(full))
	if strings.HasSuffix(full, "/") {
		return root.MkdirAll(name, 0o755)
	}
	if dir := filepath.Dir(name); dir != "." {
		if err := root.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	src, err := f.Open()
	if err != nil {
		return err
	}
	defer src.Close()
	out, err := root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, src)
	return errors.Join(err, out.Close())
}
