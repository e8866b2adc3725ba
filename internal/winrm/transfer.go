package winrm

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/transport"
)

// How much input one request carries, in bytes: Windows takes requests of 500
// KiB since Server 2012, and of 150 KiB before; in them the input is in base64.
const (
	sendSize      = 372_000
	smallSendSize = 108_000
	lineSize      = 48 << 10 // bytes of a file in one line of the input
)

// Put writes one file. It appears whole or not at all. Windows has no modes:
// the file's mode is not used.
func (c *Conn) Put(ctx context.Context, f op.File) error {
	if err := c.open(); err != nil {
		return err
	}
	s, err := c.shell(ctx, nil, "", usualPatience)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	return c.putFiles(ctx, s, []op.File{f})
}

// putFiles writes files by one script.
func (c *Conn) putFiles(ctx context.Context, s *shell, files []op.File) error {
	var items []item
	for _, f := range files {
		if f.Owner != "" {
			return c.fail(fmt.Errorf("%s can't be given to %s: over WinRM a file is the login's", f.Path, f.Owner))
		}
		path := f.Path
		if strings.HasSuffix(path, `\`) && f.Blob.Name != "" {
			path += filepath.Base(f.Blob.Name) // a folder, as Windows writes it
		}
		items = append(items, item{kind: 'f', path: path, digest: f.Blob.Digest, open: f.Blob.Open, name: f.Blob.Name})
	}
	return c.putItems(ctx, s, items)
}

// item is a file to write, or an archive to unpack.
type item struct {
	kind   byte // 'f' or 'z'
	path   string
	digest string // that the content must have, hex SHA-256
	open   func() (io.ReadCloser, error)
	name   string // of the file of this host; "" for text
}

func (c *Conn) putItems(ctx context.Context, s *shell, items []item) error {
	cmd, err := s.start(ctx, powershell(putScript, true))
	if err != nil {
		return c.fail(fmt.Errorf("start an upload: %w", err))
	}
	in := &input{ctx: ctx, conn: c, cmd: cmd}
	feedErr := in.feed(items)
	var local *localError
	if errors.As(feedErr, &local) || ctx.Err() != nil {
		cmd.terminate(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return local.error
	}
	var out, errs bytes.Buffer
	code, err := cmd.wait(ctx, &out, &errs)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if text, failed := failure(out.String()); failed {
		return c.remote(text, items)
	}
	switch {
	case feedErr != nil:
		return c.fail(fmt.Errorf("upload %s: %w: %w", items[0].path, transport.ErrLost, feedErr))
	case err != nil:
		return c.fail(fmt.Errorf("upload %s: %w", items[0].path, err))
	case code != 0:
		return c.fail(fmt.Errorf("upload %s: PowerShell ended with exit code %d: %s", items[0].path, code, firstLine(plain(errs.String()))))
	}
	return c.verify(out.String(), items)
}

// verify compares what arrived with what was sent.
func (c *Conn) verify(said string, items []item) error {
	var got []string
	for line := range strings.Lines(said) {
		if sum, ok := strings.CutPrefix(strings.TrimSpace(line), "put:"); ok {
			got = append(got, sum)
		}
	}
	for i, it := range items {
		if i >= len(got) || got[i] != it.digest {
			return c.fail(fmt.Errorf("%s arrived damaged", it.path))
		}
	}
	return nil
}

// failure is the message of a script of ours that failed.
func failure(said string) (string, bool) {
	for line := range strings.Lines(said) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "fail:"); ok {
			return text, true
		}
	}
	return "", false
}

func (c *Conn) remote(text string, items []item) error {
	e := &transport.Error{Target: c.Name(), Err: fmt.Errorf("%s: %s", items[0].path, text)}
	if len(items) > 1 {
		e.Err = errors.New(text) // which of them is in the text
	}
	switch {
	case strings.Contains(text, "not enough space"):
		e.Advice = "make the machine's disk larger, or remove something before"
	case strings.Contains(text, "denied"):
		e.Advice = "the login may not do this"
	}
	return e
}

// localError is an error of this side of an upload.
type localError struct{ error }

func (e *localError) Unwrap() error { return e.error }

// input is the standard input of an upload.
type input struct {
	ctx  context.Context
	conn *Conn
	cmd  *command
	held bytes.Buffer
}

// feed sends the items, and the end.
func (in *input) feed(items []item) error {
	for _, it := range items {
		if err := in.feedItem(it); err != nil {
			return err
		}
	}
	return in.flush(true)
}

func (in *input) feedItem(it item) error {
	src, err := it.open()
	if err != nil {
		return &localError{err}
	}
	defer src.Close()
	if err := in.line(":" + string(it.kind) + encode([]byte(it.path))); err != nil {
		return err
	}
	h, buf := sha256.New(), make([]byte, lineSize)
	for {
		n, err := io.ReadFull(src, buf)
		if n > 0 {
			h.Write(buf[:n])
			if err := in.line(encode(buf[:n])); err != nil {
				return err
			}
		}
		if err == io.EOF || err == io.ErrUnexpectedEOF {
			break
		}
		if err != nil {
			return &localError{err}
		}
	}
	if hex.EncodeToString(h.Sum(nil)) != it.digest {
		return &localError{fmt.Errorf("%s has changed while ingot ran", it.name)}
	}
	return in.line(".")
}

func (in *input) line(text string) error {
	in.held.WriteString(text)
	in.held.WriteString("\r\n")
	return in.flush(false)
}

// flush sends what is held: whole requests only, unless it is the last.
func (in *input) flush(last bool) error {
	for {
		size := in.conn.sendSize()
		if in.held.Len() < size && !last {
			return nil
		}
		ends := last && in.held.Len() <= size
		data := in.held.Bytes()[:min(size, in.held.Len())]
		err := in.cmd.send(in.ctx, data, ends)
		var fault *Fault
		if errors.As(err, &fault) && fault.tooLarge() && size > smallSendSize {
			in.conn.sendLess()
			continue
		}
		if err != nil {
			return err
		}
		in.held.Next(len(data))
		if ends {
			return nil
		}
	}
}

func (c *Conn) sendSize() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.small {
		return smallSendSize
	}
	return sendSize
}

func (c *Conn) sendLess() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.small = true
}
