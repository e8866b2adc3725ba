package registry

import (
	"archive/tar"
	"io"
	"os"
	"path"
	"time"
)

// dirSink writes files below a folder and never outside of it.
type dirSink struct{ root *os.Root }

func (s dirSink) put(name string, size int64, from io.Reader) error {
	if err := s.root.MkdirAll(path.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := s.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	if n, err := io.Copy(f, from); err != nil {
		return err
	} else if n != size {
		return io.ErrUnexpectedEOF
	}
	return f.Close()
}

// tarSink writes files into a tar. The same files give the same bytes.
type tarSink struct {
	*tar.Writer
	dirs map[string]bool
}

func newTarSink(to io.Writer) *tarSink {
	return &tarSink{tar.NewWriter(to), map[string]bool{".": true}}
}

func (s *tarSink) put(name string, size int64, from io.Reader) error {
	if err := s.dir(path.Dir(name)); err != nil {
		return err
	}
	head := &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o644, ModTime: time.Unix(0, 0)}
	if err := s.WriteHeader(head); err != nil {
		return err
	}
	if n, err := io.Copy(s, from); err != nil {
		return err
	} else if n != size {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// dir writes the entries of a folder and of those above it, each once.
func (s *tarSink) dir(name string) error {
	if s.dirs[name] {
		return nil
	}
	s.dirs[name] = true
	if err := s.dir(path.Dir(name)); err != nil {
		return err
	}
	return s.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: 0o755, ModTime: time.Unix(0, 0)})
}
