// Package artifice is the post-processor "artifice": it makes files of this
// host the artifact, in place of what the builder made.
package artifice

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/postprocessors"
)

// Config is the options of the post-processor.
type Config struct {
	// Files are the files of the artifact, as paths or patterns with "*", "?"
	// and "[…]". Each must match a file.
	Files []string `hcl:"files"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "artifice", New: func() postprocessors.Processor { return &Config{} }}
}

// Check looks at the patterns.
func (c *Config) Check(postprocessors.Input) error {
	if len(c.Files) == 0 {
		return component.Errorf("files", "must not be empty")
	}
	for _, pattern := range c.Files {
		if _, err := filepath.Match(pattern, ""); err != nil {
			return component.Errorf("files", "%q is not a pattern: a [ has no ]", pattern)
		}
	}
	return nil
}

// Process returns the artifact of the files that match.
func (c *Config) Process(_ context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	made := artifact.Artifact{Builder: in.Artifact.Builder, Arch: in.Artifact.Arch, Labels: in.Artifact.Labels}
	result := postprocessors.Result{Artifact: in.Artifact, Keep: true}
	var names []string
	for _, pattern := range c.Files {
		found, err := match(in, pattern)
		if err != nil {
			return result, err
		}
		for _, f := range found {
			made.Files = append(made.Files, f)
			names = append(names, f.Path)
		}
	}
	made.ID = strings.Join(names, ",")
	made.Text = "Created artifact from files: " + strings.Join(names, ", ")
	result.Artifact = made
	return result, nil
}

func match(in postprocessors.Input, pattern string) ([]artifact.File, error) {
	paths, err := filepath.Glob(in.Path(pattern))
	if err != nil {
		return nil, component.Errorf("files", "%q: %v", pattern, err)
	}
	var files []artifact.File
	for _, p := range paths {
		st, err := os.Stat(p)
		if err != nil {
			return nil, err
		}
		if !st.Mode().IsRegular() {
			continue
		}
		if rel, err := filepath.Rel(in.Dir, p); err == nil && !filepath.IsAbs(pattern) {
			p = rel
		}
		files = append(files, artifact.File{Path: p, Size: st.Size()})
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no file matches %s", pattern)
	}
	return files, nil
}
