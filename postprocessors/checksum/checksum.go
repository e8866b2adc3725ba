// Package checksum is the post-processor "checksum": it writes the checksums
// of the artifact's files.
package checksum

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/postprocessors"
)

// Config is the options of the post-processor.
type Config struct {
	// ChecksumTypes are the checksums to write, of "md5", "sha1", "sha224",
	// "sha256", "sha384" and "sha512". Default ["md5"].
	ChecksumTypes []string `hcl:"checksum_types,optional"`
	// Output is the file that lines of checksum and file name are added to:
	// {{.BuildName}}, {{.BuilderType}} and {{.ChecksumType}} are what they
	// say. Default "packer_{{.BuildName}}_{{.BuilderType}}_{{.ChecksumType}}.checksum".
	Output string `hcl:"output,optional" template:"late"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "checksum", New: func() postprocessors.Processor {
		return &Config{
			ChecksumTypes: []string{"md5"},
			Output:        "packer_{{.BuildName}}_{{.BuilderType}}_{{.ChecksumType}}.checksum",
		}
	}}
}

func newHash(name string) hash.Hash {
	switch name {
	case "md5":
		return md5.New()
	case "sha1":
		return sha1.New()
	case "sha224":
		return sha256.New224()
	case "sha256":
		return sha256.New()
	case "sha384":
		return sha512.New384()
	case "sha512":
		return sha512.New()
	}
	return nil
}

// Check looks at the types and the output's template.
func (c *Config) Check(in postprocessors.Input) error {
	if len(c.ChecksumTypes) == 0 {
		return component.Errorf("checksum_types", "must not be empty")
	}
	for _, name := range c.ChecksumTypes {
		if newHash(name) == nil {
			return component.Errorf("checksum_types", "%q is none of md5, sha1, sha224, sha256, sha384, sha512", name)
		}
	}
	_, err := c.output(in, c.ChecksumTypes[0])
	return err
}

func (c *Config) output(in postprocessors.Input, kind string) (string, error) {
	path, err := in.Render(c.Output, map[string]string{"BuildName": in.BuildName, "BuilderType": in.BuilderType, "ChecksumType": kind})
	if err != nil {
		return "", component.Errorf("output", "%v", err)
	}
	if path == "" {
		return "", component.Errorf("output", "must not be empty")
	}
	return path, nil
}

// Process writes the checksums of the artifact's files, each read once. The
// files of checksums belong to the artifact from here on.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	result := postprocessors.Result{Artifact: in.Artifact, Keep: true, MustKeep: true}
	if len(in.Artifact.Files) == 0 {
		in.Log.Warn("checksum: the artifact has no files")
		return result, nil
	}
	lines := map[string][]string{}
	for _, f := range in.Artifact.Files {
		sums, err := c.sums(ctx, in.Path(f.Path))
		if err != nil {
			return result, err
		}
		for i, sum := range sums {
			kind := c.ChecksumTypes[i]
			lines[kind] = append(lines[kind], sum+"\t"+filepath.Base(f.Path))
		}
	}
	result.Artifact.Files = slices.Clone(in.Artifact.Files)
	for _, kind := range c.ChecksumTypes {
		path, err := c.output(in, kind)
		if err != nil {
			return result, err
		}
		size, err := add(in.Path(path), lines[kind])
		if err != nil {
			return result, err
		}
		result.Artifact.Files = with(result.Artifact.Files, artifact.File{Path: path, Size: size})
	}
	return result, nil
}

// sums reads a file once for all its checksums.
func (c *Config) sums(ctx context.Context, path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var hashes []hash.Hash
	var writers []io.Writer
	for _, name := range c.ChecksumTypes {
		h := newHash(name)
		hashes, writers = append(hashes, h), append(writers, h)
	}
	if _, err := io.Copy(io.MultiWriter(writers...), hostfile.Reader(ctx, f)); err != nil {
		return nil, err
	}
	var sums []string
	for _, h := range hashes {
		sums = append(sums, hex.EncodeToString(h.Sum(nil)))
	}
	return sums, nil
}

// add appends the lines that the file does not have yet, all in one write, and
// returns the file's size in bytes.
func add(path string, lines []string) (int64, error) {
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	have := strings.Split(string(old), "\n")
	var text bytes.Buffer
	for _, line := range lines {
		if !slices.Contains(have, line) {
			text.WriteString(line + "\n")
		}
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return 0, err
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return 0, err
	}
	_, err = f.Write(text.Bytes())
	if err := errors.Join(err, f.Close()); err != nil {
		return 0, err
	}
	st, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// with adds f to the files, or updates it.
func with(files []artifact.File, f artifact.File) []artifact.File {
	for i := range files {
		if files[i].Path == f.Path {
			files[i] = f
			return files
		}
	}
	return append(files, f)
}
