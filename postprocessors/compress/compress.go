// Package compress is the post-processor "compress": it packs the artifact's
// files into one file.
package compress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/postprocessors"
)

// Config is the options of the post-processor.
type Config struct {
	// Output is the file to write: {{.BuildName}} and {{.BuilderType}} are
	// what they say. Its extension says what it is: .tar and .zip are archives;
	// .gz, .bgzf, .lz4, .xz and .bzip2 (.bz2) are one compressed file, and
	// after .tar a compressed archive. Any other is a tar.gz. Default
	// "packer_{{.BuildName}}_{{.BuilderType}}".
	Output string `hcl:"output,optional" template:"late"`
	// Format says what output is, in place of its extension, as "tar.lz4".
	// Default none.
	Format string `hcl:"format,optional"`
	// CompressionLevel is how hard to try: from 1, fast, to 9, small. gz, zip
	// and lz4 also have 0. A tar that is not compressed has no level. Default 6.
	CompressionLevel *int `hcl:"compression_level,optional"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "compress", New: func() postprocessors.Processor {
		return &Config{Output: "packer_{{.BuildName}}_{{.BuilderType}}"}
	}}
}

// Check looks at the output, its format and the level.
func (c *Config) Check(in postprocessors.Input) error {
	path, form, err := c.output(in)
	if err != nil {
		return err
	}
	if err := hostfile.CheckOutput(in.Path(path)); err != nil {
		return component.Errorf("output", "%v", err)
	}
	return c.checkLevel(form)
}

func (c *Config) checkLevel(form form) error {
	if c.CompressionLevel == nil || *c.CompressionLevel == defaultLevel {
		return nil
	}
	lowest, ok := form.lowest()
	if !ok {
		return component.Errorf("compression_level", "%s is not compressed, and has no level", form)
	}
	if n := *c.CompressionLevel; n < lowest || n > 9 {
		return component.Errorf("compression_level", "%d is not in the range of %s, %d to 9", n, form, lowest)
	}
	return nil
}

// output returns the path of the file, as in the template, and what it is.
func (c *Config) output(in postprocessors.Input) (string, form, error) {
	path, err := in.Render(c.Output, map[string]string{"BuildName": in.BuildName, "BuilderType": in.BuilderType})
	if err != nil {
		return "", form{}, component.Errorf("output", "%v", err)
	}
	if path == "" {
		return "", form{}, component.Errorf("output", "must not be empty")
	}
	f, _ := formOf(path)
	if c.Format != "" {
		known := false
		if f, known = formOf("x." + strings.TrimPrefix(c.Format, ".")); !known {
			return "", f, &component.OptionError{Option: "format", Message: fmt.Sprintf("%q is not known", c.Format),
				Advice: "there are tar, zip, gz, bgzf, lz4, xz and bzip2, and tar.gz and so on"}
		}
	}
	return path, f, nil
}

// Process writes the file. It is there whole, or not at all.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	path, form, err := c.output(in)
	if err != nil {
		return postprocessors.Result{}, err
	}
	if err := c.checkLevel(form); err != nil {
		return postprocessors.Result{}, err
	}
	files, err := list(in, path, form)
	if err != nil {
		return postprocessors.Result{}, err
	}
	in.Log.Say(fmt.Sprintf("Packing %s into %s", count(len(files)), path))
	size, err := hostfile.Write(in.Path(path), 0o644, func(w io.Writer) error { return form.write(ctx, w, files, c.level()) })
	if err != nil {
		return postprocessors.Result{}, fmt.Errorf("write %s: %w", path, err)
	}
	return postprocessors.Result{Artifact: artifact.Artifact{
		Builder: "compress", Text: "Archive: " + path, Arch: in.Artifact.Arch, Labels: in.Artifact.Labels,
		Files: []artifact.File{{Path: path, Size: size}},
	}}, nil
}

// defaultLevel is Packer's way to say that no level is given.
const defaultLevel = -1

func (c *Config) level() int {
	if c.CompressionLevel == nil || *c.CompressionLevel == defaultLevel {
		return 6
	}
	return *c.CompressionLevel
}

// member is a file to pack.
type member struct {
	path string // on this host
	name string // in an archive, with slashes
}

// list returns the artifact's files with the names that they get.
func list(in postprocessors.Input, output string, form form) ([]member, error) {
	var files []member
	for _, f := range in.Artifact.Files {
		path, err := filepath.Abs(in.Path(f.Path))
		if err != nil {
			return nil, err
		}
		if out, err := filepath.Abs(in.Path(output)); err == nil && out == path {
			return nil, component.Errorf("output", "%s is a file of the artifact itself", output)
		}
		st, err := os.Stat(path)
		if err != nil {
			return nil, err
		}
		if !st.Mode().IsRegular() {
			return nil, fmt.Errorf("%s is not a regular file", f.Path)
		}
		files = append(files, member{path: path})
	}
	switch {
	case len(files) == 0:
		return nil, builders.WithHint(errors.New("the artifact has no files"), "it takes what is exported into files, as with export_path of docker")
	case len(files) > 1 && form.archive == "":
		return nil, builders.WithHint(fmt.Errorf("the artifact has %d files, and %s is for one", len(files), form), `use an archive, as "tar.gz" or "zip"`)
	}
	return named(files, in.Dir, form), nil
}

// named gives files the names in the archive: of zip the paths as a template
// has them, of tar those below the folder that all are in, as with Packer.
// None is absolute.
func named(files []member, dir string, form form) []member {
	root := ""
	if abs, err := filepath.Abs(dir); err == nil && form.archive == "zip" {
		root = abs
	}
	for _, f := range files {
		if root == "" || !below(root, f.path) {
			root = shared(files)
			break
		}
	}
	for i, f := range files {
		name := filepath.Base(f.path)
		if rel, err := filepath.Rel(root, f.path); err == nil {
			name = rel
		}
		files[i].name = filepath.ToSlash(name)
	}
	return files
}

func below(dir, path string) bool {
	rel, err := filepath.Rel(dir, path)
	return err == nil && filepath.IsLocal(rel)
}

// shared is the folder that all files are in, or below.
func shared(files []member) string {
	dir := filepath.Dir(files[0].path)
	for _, f := range files {
		for !below(dir, f.path) {
			dir = filepath.Dir(dir)
		}
	}
	return dir
}

func count(n int) string {
	if n == 1 {
		return "1 file"
	}
	return fmt.Sprintf("%d files", n)
}
