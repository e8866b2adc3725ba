package compress

import (
	"archive/tar"
	"archive/zip"
	"context"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/biogo/hts/bgzf"
	"github.com/dsnet/compress/bzip2"
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/pgzip"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz"

	"github.com/ingot-build/ingot/internal/hostfile"
)

// form is what a file is: an archive, a compression, or one in the other.
type form struct {
	archive     string // "tar", "zip" or ""
	compression string // "gz", "bgzf", "lz4", "xz", "bzip2" or ""
}

func (f form) String() string { return strings.Trim(f.archive+"."+f.compression, ".") }

// formOf is what the extensions of a path say. Where they say nothing, it is
// a tar.gz.
func formOf(path string) (f form, known bool) {
	parts := strings.Split(filepath.Base(path), ".")
	last := parts[len(parts)-1]
	if len(parts) > 2 && parts[len(parts)-2] == "tar" {
		f.archive = "tar"
	}
	if len(parts) > 1 {
		switch last {
		case "tar", "zip":
			return form{archive: last}, true
		case "gz", "bgzf", "lz4", "xz", "bzip2":
			f.compression = last
			return f, true
		case "bz2":
			f.compression = "bzip2"
			return f, true
		case "tgz":
			return form{"tar", "gz"}, true
		}
	}
	return form{"tar", "gz"}, false
}

// lowest is the lowest level of the compression, false where there is none.
func (f form) lowest() (int, bool) {
	switch {
	case f.archive == "tar" && f.compression == "":
		return 0, false
	case f.compression == "bgzf", f.compression == "bzip2", f.compression == "xz":
		return 1, true
	}
	return 0, true
}

// write packs the files. The memory it takes does not depend on their sizes.
func (f form) write(ctx context.Context, to io.Writer, files []member, level int) error {
	if f.archive == "zip" {
		return writeZip(ctx, to, files, level)
	}
	w, err := f.compressor(to, level)
	if err != nil {
		return err
	}
	if f.archive == "tar" {
		err = writeTar(ctx, w, files)
	} else {
		err = add(ctx, w, files[0])
	}
	if cerr := w.Close(); err == nil { // it ends what runs beside, whatever happened
		err = cerr
	}
	return err
}

func (f form) compressor(to io.Writer, level int) (io.WriteCloser, error) {
	switch f.compression {
	case "gz":
		return pgzip.NewWriterLevel(to, level)
	case "bgzf":
		return bgzf.NewWriterLevel(to, level, runtime.GOMAXPROCS(0))
	case "lz4":
		w := lz4.NewWriter(to)
		return w, w.Apply(lz4.CompressionLevelOption(lz4Level(level)), lz4.ConcurrencyOption(runtime.GOMAXPROCS(0)))
	case "xz":
		return xz.WriterConfig{DictCap: dictionary(level)}.NewWriter(to)
	case "bzip2":
		return bzip2.NewWriter(to, &bzip2.WriterConfig{Level: level})
	}
	return plain{to}, nil
}

// plain compresses nothing.
type plain struct{ io.Writer }

func (plain) Close() error { return nil }

func lz4Level(level int) lz4.CompressionLevel {
	return []lz4.CompressionLevel{lz4.Fast, lz4.Level1, lz4.Level2, lz4.Level3, lz4.Level4,
		lz4.Level5, lz4.Level6, lz4.Level7, lz4.Level8, lz4.Level9}[level]
}

// dictionary is the size of the dictionary in bytes that the program xz has at
// a level.
func dictionary(level int) int {
	return []int{1, 1, 2, 4, 4, 8, 8, 16, 32, 64}[level] << 20
}

func writeTar(ctx context.Context, to io.Writer, files []member) error {
	w := tar.NewWriter(to)
	for _, m := range files {
		st, err := os.Stat(m.path)
		if err != nil {
			return err
		}
		head, err := tar.FileInfoHeader(st, "")
		if err != nil {
			return err
		}
		head.Name = m.name
		if err := w.WriteHeader(head); err != nil {
			return err
		}
		if err := add(ctx, w, m); err != nil {
			return err
		}
	}
	return w.Close()
}

func writeZip(ctx context.Context, to io.Writer, files []member, level int) error {
	w := zip.NewWriter(to)
	w.RegisterCompressor(zip.Deflate, func(to io.Writer) (io.WriteCloser, error) { return flate.NewWriter(to, level) })
	for _, m := range files {
		st, err := os.Stat(m.path)
		if err != nil {
			return err
		}
		head, err := zip.FileInfoHeader(st)
		if err != nil {
			return err
		}
		head.Name, head.Method = m.name, zip.Deflate
		entry, err := w.CreateHeader(head)
		if err != nil {
			return err
		}
		if err := add(ctx, entry, m); err != nil {
			return err
		}
	}
	return w.Close()
}

// add writes the content of a file.
func add(ctx context.Context, to io.Writer, m member) error {
	f, err := os.Open(m.path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = io.Copy(to, hostfile.Reader(ctx, f))
	return err
}
