// Package dockersave is the post-processor "docker-save": it writes a
// container's image into a file that docker and podman load.
package dockersave

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/containerd/containerd/v2/core/images/archive"
	"github.com/google/renameio/v2"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/containerimage"
)

// Config is the options of the post-processor.
type Config struct {
	// Path is the file to write: a tar archive that is an OCI image layout
	// and that docker load reads, with the names of a docker-tag before it. A
	// file that is there is replaced.
	Path string `hcl:"path"`
	// DockerPath is taken, and needs nothing done: no docker program is used.
	// Default "docker".
	DockerPath string `hcl:"docker_path,optional"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "docker-save", New: func() postprocessors.Processor {
		return &Config{DockerPath: "docker"}
	}}
}

// Check looks at the path.
func (c *Config) Check(in postprocessors.Input) error {
	if c.Path == "" {
		return component.Errorf("path", "must not be empty")
	}
	if st, err := os.Stat(in.Path(c.Path)); err == nil && st.IsDir() {
		return component.Errorf("path", "%s is a folder", c.Path)
	}
	return nil
}

// Process writes the file. It is there whole, or not at all.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	result := postprocessors.Result{Artifact: in.Artifact, Keep: true}
	img, err := containerimage.Of(in)
	if err != nil {
		return result, err
	}
	path := in.Path(c.Path)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return result, err
	}
	out, err := renameio.NewPendingFile(path, renameio.WithTempDir(filepath.Dir(path)), renameio.WithPermissions(0o644))
	if err != nil {
		return result, err
	}
	defer out.Cleanup()
	in.Log.Say("Saving image: " + c.Path)
	if err := export(ctx, img, in.Artifact.Tags, out); err != nil {
		return result, fmt.Errorf("save %s: %w", img.Digest, err)
	}
	st, err := out.Stat()
	if err != nil {
		return result, err
	}
	if err := out.CloseAtomicallyReplace(); err != nil {
		return result, err
	}
	saved := artifact.File{Path: c.Path, Size: st.Size()}
	result.Artifact.Files = slices.DeleteFunc(slices.Clone(in.Artifact.Files), func(f artifact.File) bool { return f.Path == saved.Path })
	result.Artifact.Files = append(result.Artifact.Files, saved)
	return result, nil
}

func export(ctx context.Context, img artifact.Image, tags []string, w io.Writer) error {
	var names []string
	for _, tag := range tags {
		name, err := containerimage.Name(tag)
		if err != nil {
			return err
		}
		names = append(names, name.String())
	}
	return archive.Export(ctx, layout(img.Layout), w, archive.WithManifest(containerimage.Descriptor(img), names...))
}
