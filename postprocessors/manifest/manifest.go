// Package manifest is the post-processor "manifest": it writes what was built
// into a JSON file.
package manifest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/google/renameio/v2"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors"
)

// Config is the options of the post-processor.
type Config struct {
	// Output is the file to write. Each build adds an entry; with -force a
	// run begins the file anew. Default "packer-manifest.json".
	Output string `hcl:"output,optional"`
	// StripPath leaves the folders of the artifact's files out. Default false.
	StripPath bool `hcl:"strip_path,optional"`
	// StripTime leaves the time of the build out, so that equal builds give
	// equal files. Default false.
	StripTime bool `hcl:"strip_time,optional"`
	// CustomData is added to the build's entry. Sensitive values are written
	// as "<sensitive>". Default none.
	CustomData map[string]secret.String `hcl:"custom_data,optional"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "manifest", New: func() postprocessors.Processor {
		return &Config{Output: "packer-manifest.json"}
	}}
}

// document is the file, as Packer writes it. Entries of earlier runs are kept
// as they are.
type document struct {
	Builds      []json.RawMessage `json:"builds"`
	LastRunUUID string            `json:"last_run_uuid"`
}

// entry is one build.
type entry struct {
	Name          string            `json:"name"`
	BuilderType   string            `json:"builder_type"`
	BuildTime     int64             `json:"build_time,omitempty"` // seconds since 1970
	Files         []file            `json:"files"`
	ArtifactID    string            `json:"artifact_id"`
	PackerRunUUID string            `json:"packer_run_uuid"`
	CustomData    map[string]string `json:"custom_data"`
}

type file struct {
	Name string `json:"name"`
	Size int64  `json:"size"` // bytes
}

// Check looks at the output's path.
func (c *Config) Check(in postprocessors.Input) error {
	if c.Output == "" {
		return component.Errorf("output", "must not be empty")
	}
	if st, err := os.Stat(in.Path(c.Output)); err == nil && st.IsDir() {
		return component.Errorf("output", "%s is a folder", c.Output)
	}
	return nil
}

// Process adds the artifact's entry to the file.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	result := postprocessors.Result{Artifact: in.Artifact, Keep: true, MustKeep: true}
	path := in.Path(c.Output)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return result, err
	}
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return result, fmt.Errorf("lock %s: %w", c.Output, err)
	}
	defer unlock()
	doc, err := read(path, in)
	if err != nil {
		return result, err
	}
	added, err := json.Marshal(c.entry(in))
	if err != nil {
		return result, err
	}
	doc.Builds = append(doc.Builds, added)
	doc.LastRunUUID = in.RunID
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		return result, err
	}
	return result, write(path, text)
}

func (c *Config) entry(in postprocessors.Input) entry {
	e := entry{Name: in.BuildName, BuilderType: in.BuilderType, ArtifactID: in.Artifact.ID, PackerRunUUID: in.RunID}
	if !c.StripTime {
		e.BuildTime = time.Now().Unix()
	}
	for _, f := range in.Artifact.Files {
		e.Files = append(e.Files, c.file(in, f))
	}
	if c.CustomData != nil {
		e.CustomData = map[string]string{}
	}
	for name, value := range c.CustomData {
		e.CustomData[name] = value.String()
	}
	return e
}

func (c *Config) file(in postprocessors.Input, f artifact.File) file {
	out := file{Name: f.Path, Size: f.Size}
	if st, err := os.Stat(in.Path(f.Path)); err == nil {
		out.Size = st.Size()
	}
	if c.StripPath {
		out.Name = filepath.Base(f.Path)
	}
	return out
}

// read returns the document to add to. With -force it is empty for the first
// entry of a run, whichever build that comes from.
func read(path string, in postprocessors.Input) (document, error) {
	var doc document
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(text) == 0 {
		return doc, nil
	}
	if err != nil {
		return doc, err
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		if in.Force {
			return document{}, nil
		}
		return doc, builders.WithHint(fmt.Errorf("%s is not a manifest: %w", path, err), "remove the file, or run with -force")
	}
	if in.Force && doc.LastRunUUID != in.RunID {
		return document{}, nil
	}
	return doc, nil
}

// write replaces the file in one go, also where it is a link.
func write(path string, text []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return renameio.WriteFile(path, text, 0o644, renameio.WithTempDir(filepath.Dir(path)), renameio.WithExistingPermissions())
}
