package op

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ingot-build/ingot/internal/secret"
)

// Blob is content with its digest: text in memory or a file of this host.
type Blob struct {
	Digest string // hex SHA-256 of the content
	Size   int64  // bytes
	Name   string // what a person calls it: the file's path; "" for text

	path     string
	modified time.Time // of the file, before it was read
	text     secret.String
}

// Text returns a blob of text in memory. Tokens in it are replaced by Bind.
func Text(text secret.String) Blob {
	sum := sha256.Sum256([]byte(text.Reveal()))
	return Blob{Digest: hex.EncodeToString(sum[:]), Size: int64(len(text.Reveal())), text: text}
}

// FileBlob returns a blob of the file at path, and reads it once for its digest.
// os.DevNull is an empty file.
func FileBlob(path string) (Blob, error) {
	f, err := os.Open(path)
	if err != nil {
		return Blob{}, err
	}
	defer f.Close()
	if path == os.DevNull {
		b := Text(secret.Plain(""))
		b.Name = path
		return b, nil
	}
	st, err := f.Stat()
	switch {
	case err != nil:
		return Blob{}, err
	case !st.Mode().IsRegular():
		return Blob{}, fmt.Errorf("%s is not a file", path)
	}
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return Blob{}, err
	}
	return Blob{Digest: hex.EncodeToString(h.Sum(nil)), Size: n, Name: path, path: path, modified: st.ModTime()}, nil
}

// Open returns the content. The caller closes it.
func (b Blob) Open() (io.ReadCloser, error) {
	if b.path != "" {
		return os.Open(b.path)
	}
	return io.NopCloser(bytes.NewReader([]byte(b.text.Reveal()))), nil
}

// Path returns the file of this host that holds the content, "" for text.
func (b Blob) Path() string { return b.path }

// Sensitive reports whether the content must not be stored or shown.
func (b Blob) Sensitive() bool { return b.text.IsSensitive() }
