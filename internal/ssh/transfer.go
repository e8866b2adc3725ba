package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/transport"
)

const noSpace = "No space left on device"

// putScript writes standard input to $1 by way of a file beside it, so that no
// half file is left: $2 is its size, $3 its mode, $4 its owner or "", $5 a
// unique name. Symlinks are followed, devices written to.
const putScript = `LC_ALL=C; export LC_ALL; p=$1
[ ! -L "$p" ] || p=$(readlink -f -- "$p") || exit 1
case $p in */*) d=${p%/*}/;; *) d=./;; esac
[ ! -d "$p" ] || { echo "$p is a folder" >&2; exit 1; }
[ -d "$d" ] || mkdir -p -- "$d" || exit 1
[ ! -e "$p" ] || [ -f "$p" ] || exec cat >"$p"
t=$d.$5; trap "rm -f -- \"\$t\"" EXIT; trap "exit 1" HUP INT TERM
umask 077; cat >"$t" || exit 1
[ $(wc -c <"$t") -eq "$2" ] || { echo "got $(wc -c <"$t") of $2 bytes" >&2; exit 1; }
[ -z "$4" ] || chown -- "$4" "$t" || exit 1
chmod "$3" "$t" || exit 1
mv -f -- "$t" "$p" 2>/dev/null || { cat "$t" >"$p" && chmod "$3" "$p"; }`

// treeScript unpacks standard input in $1. A link to a folder stays one.
const treeScript = `LC_ALL=C; export LC_ALL
[ -d "$1" ] || mkdir -p -- "$1" || exit 1
command -v tar >/dev/null || { echo "tar is not installed on the machine" >&2; exit 1; }
k=; ! tar --keep-directory-symlink --version >/dev/null 2>&1 || k=--keep-directory-symlink
exec tar -x -p -o -m $k -f - -C "$1"`

// Put writes one file. It appears whole or not at all.
func (c *Conn) Put(ctx context.Context, f op.File) error {
	src, err := f.Blob.Open()
	if err != nil {
		return err
	}
	defer src.Close()
	name := mark()
	args := []string{f.Path, fmt.Sprint(f.Blob.Size), fmt.Sprintf("%03o", f.Perm()), f.Owner, name[:len(name)-1]}
	return c.upload(ctx, putScript, args, func(w io.Writer) error {
		n, err := io.CopyBuffer(onlyWriter{w}, onlyReader{src}, make([]byte, transferBuffer))
		if err == nil && n != f.Blob.Size {
			err = fmt.Errorf("%s has changed while ingot ran: it had %d bytes, now %d", f.Blob.Name, f.Blob.Size, n)
		}
		return err
	})
}

// Tree writes a folder's content into t.Dir as one stream. Modes and symlinks
// are kept, the files are the login's.
func (c *Conn) Tree(ctx context.Context, t *op.Tree) error {
	return c.upload(ctx, treeScript, []string{t.Dir}, func(w io.Writer) error { return packTree(w, t.Source) })
}

// transferBuffer is how much is read from a file and written to the
// connection at once, in bytes.
const transferBuffer = 256 << 10

// onlyWriter and onlyReader hide the methods by which io.Copy would choose
// small buffers of its own.
type (
	onlyWriter struct{ io.Writer }
	onlyReader struct{ io.Reader }
)

// localError is an error of this side of a transfer.
type localError struct{ error }

func (e localError) Unwrap() error { return e.error }

// upload runs a script of the machine, args being its arguments, and feeds it.
func (c *Conn) upload(ctx context.Context, text string, args []string, feed func(io.Writer) error) error {
	s, err := c.open(ctx, c.client.limits(Target{}))
	if err != nil {
		return err
	}
	if err := s.start(scriptCommand(text, args)); err != nil {
		s.ch.Close()
		return c.client.fail(c.target, fmt.Errorf("%w: %w", transport.ErrLost, err))
	}
	errs := &tail{}
	output := s.copies(io.Discard, errs)
	fed := make(chan error, 1)
	go func() {
		w := &remoteWriter{ctx: ctx, s: s}
		err := feed(w)
		_ = s.ch.CloseWrite() // the script sees whether it has got all
		if err != nil && w.err == nil {
			err = localError{err}
		}
		fed <- err
	}()
	exit, err := s.finish(ctx, output, func() {}) // remoteWriter stops
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var local localError
	if feedErr := <-fed; errors.As(feedErr, &local) {
		return local.error
	}
	return c.transferred(exit, err, errs.String(), args[0])
}

// remoteWriter ends with ctx, and remembers that it was not this side that
// ended a transfer.
type remoteWriter struct {
	ctx context.Context
	s   *session
	err error
}

func (w *remoteWriter) Write(p []byte) (int, error) {
	if w.err = w.ctx.Err(); w.err != nil {
		return 0, w.err
	}
	n, err := w.s.ch.Write(p)
	w.err = err
	return n, err
}

func scriptCommand(text string, args []string) string {
	return "exec /bin/sh -c " + quote(text) + " ingot " + quoteAll(args)
}

// transferred turns the end of a transfer's script into an error.
func (c *Conn) transferred(exit Exit, err error, said, path string) error {
	switch {
	case err != nil:
		return c.client.fail(c.target, err)
	case exit.Signal != "":
		return c.remote("killed by signal "+exit.Signal, path)
	case exit.Code != 0 && said == "":
		return c.remote(fmt.Sprintf("exit code %d", exit.Code), path)
	case exit.Code != 0:
		return c.remote(said, path)
	}
	return nil
}

// remote returns an error that the machine told in its own words.
func (c *Conn) remote(said, path string) error {
	e := &transport.Error{Target: c.target.Name, Err: errors.New(said)}
	if path != "" {
		e.Err = fmt.Errorf("%s: %s", path, said)
	}
	switch {
	case strings.Contains(said, noSpace), strings.Contains(said, "Disk quota exceeded"), strings.Contains(said, "Wrote only"):
		if path == "" {
			path, _, _ = strings.Cut(strings.TrimPrefix(said, "write "), ": ")
		}
		e.Err = fmt.Errorf("no space left on the machine at %s", path)
		e.Advice = "make its disk larger, or remove something before"
	case strings.Contains(said, "Permission denied"), strings.Contains(said, "Operation not permitted"):
		e.Advice = "the login may not do this: upload to /tmp and move it with sudo in a shell provisioner"
	case strings.Contains(said, "tar is not installed"):
		e.Advice = "install tar on the machine first"
	}
	return e
}

// send runs a short script of ours with input, and fails where it does.
func (c *Conn) send(ctx context.Context, lim limits, text, input string) error {
	_, err := c.ask(ctx, lim, text, input)
	return err
}

// ask runs a short script of ours with input and returns what it prints.
func (c *Conn) ask(ctx context.Context, lim limits, text, input string) (string, error) {
	s, err := c.open(ctx, lim)
	if err != nil {
		return "", err
	}
	if err := s.start(scriptCommand(text, nil)); err != nil {
		s.ch.Close()
		return "", c.client.fail(c.target, fmt.Errorf("%w: %w", transport.ErrLost, err))
	}
	out, errs := &tail{}, &tail{}
	output := s.copies(out, errs)
	go func() {
		_, _ = io.WriteString(s.ch, input)
		_ = s.ch.CloseWrite()
	}()
	exit, err := s.finish(ctx, output, func() { s.ch.Close() })
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return out.String(), c.transferred(exit, err, errs.String(), "")
}

// tail keeps the end of what a script of ours prints.
type tail struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 4 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if n := len(t.text) - tailSize; n > 0 {
		t.text = append(t.text[:0], t.text[n:]...)
	}
	return len(p), nil
}

// String returns the last lines, as one, without what says only who speaks.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	var said []string
	for line := range strings.Lines(string(t.text)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.Contains(line, "Exiting with failure status due to previous errors") {
			continue
		}
		said = append(said, line)
	}
	if len(said) > 3 {
		said = said[len(said)-3:]
	}
	return strings.Join(said, "; ")
}
