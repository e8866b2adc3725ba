package container

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
)

// output is what becomes of a build's result.
type output interface {
	exports() []client.ExportEntry
	// artifact says what there is after the build, and keeps it.
	artifact(resp *client.SolveResponse) (artifact.Artifact, error)
	// abandon drops what artifact was not called for.
	abandon() error
}

func (o *options) newOutput(host builders.Host) (output, error) {
	switch {
	case o.Commit:
		return newCommit(host.Layout)
	case o.Discard:
		return discard{}, nil
	}
	path := o.ExportPath
	if !filepath.IsAbs(path) {
		path = filepath.Join(host.Dir, path)
	}
	return &exportFile{path: path, format: o.ExportFormat}, nil
}

// discard keeps nothing.
type discard struct{}

// discarded is the id of a result that was not kept.
const discarded = "discarded"

func (discard) exports() []client.ExportEntry { return nil }
func (discard) abandon() error                { return nil }
func (discard) artifact(*client.SolveResponse) (artifact.Artifact, error) {
	return artifact.Artifact{Builder: "docker", ID: discarded, Text: "The image was discarded"}, nil
}

// commit keeps an image in an OCI layout. Its index belongs to the registry,
// which names images; here only blobs are added.
type commit struct {
	layout string
	entry  client.ExportEntry
}

func newCommit(layout string) (*commit, error) {
	if err := os.MkdirAll(layout, 0o755); err != nil {
		return nil, err
	}
	if err := markLayout(layout); err != nil {
		return nil, err
	}
	store, err := local.NewStore(layout)
	if err != nil {
		return nil, err
	}
	return &commit{layout: layout, entry: client.ExportEntry{
		Type: client.ExporterOCI, OutputStore: store,
		Attrs: map[string]string{"tar": "false", string(exptypes.OptKeyOCITypes): "true"},
	}}, nil
}

// markLayout writes the file that makes a folder an OCI layout.
func markLayout(dir string) error {
	text, err := json.Marshal(ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
	if err != nil {
		return err
	}
	f, err := os.OpenFile(filepath.Join(dir, ocispec.ImageLayoutFile), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, f.Close())
}

func (c *commit) exports() []client.ExportEntry { return []client.ExportEntry{c.entry} }

// abandon removes the folder of unfinished blobs unless another build has some.
func (c *commit) abandon() error {
	_ = os.Remove(filepath.Join(c.layout, "ingest"))
	return nil
}

func (c *commit) artifact(resp *client.SolveResponse) (artifact.Artifact, error) {
	desc, err := descriptor(resp)
	if err != nil {
		return artifact.Artifact{}, err
	}
	return artifact.Artifact{
		Builder: "docker", ID: desc.Digest.String(), Text: "Imported Docker image: " + desc.Digest.String(),
		Image: &artifact.Image{MediaType: desc.MediaType, Digest: desc.Digest.String(), Size: desc.Size, Layout: c.layout},
	}, nil
}

func descriptor(resp *client.SolveResponse) (ocispec.Descriptor, error) {
	var desc ocispec.Descriptor
	text, err := base64.StdEncoding.DecodeString(resp.ExporterResponse[exptypes.ExporterImageDescriptorKey])
	if err == nil {
		err = json.Unmarshal(text, &desc)
	}
	if err != nil {
		return desc, fmt.Errorf("BuildKit did not say which image it made: %w", err)
	}
	return desc, nil
}

// exportFile writes a file, first beside its place.
type exportFile struct {
	path, format string
	temp         string
}

func (e *exportFile) exports() []client.ExportEntry {
	kind := map[string]string{formatRootfs: client.ExporterTar, formatDocker: client.ExporterDocker, formatOCI: client.ExporterOCI}
	return []client.ExportEntry{{Type: kind[e.format], Output: func(map[string]string) (io.WriteCloser, error) {
		if err := os.MkdirAll(filepath.Dir(e.path), 0o755); err != nil {
			return nil, err
		}
		f, err := os.CreateTemp(filepath.Dir(e.path), "."+filepath.Base(e.path)+"-*")
		if err != nil {
			return nil, err
		}
		e.temp = f.Name()
		return f, f.Chmod(0o644)
	}}}
}

func (e *exportFile) abandon() error {
	if e.temp == "" {
		return nil
	}
	return os.Remove(e.temp)
}

func (e *exportFile) artifact(*client.SolveResponse) (artifact.Artifact, error) {
	if err := os.Rename(e.temp, e.path); err != nil {
		return artifact.Artifact{}, err
	}
	e.temp = ""
	st, err := os.Stat(e.path)
	if err != nil {
		return artifact.Artifact{}, err
	}
	return artifact.Artifact{
		Builder: "docker", ID: "Container", Text: "Exported Docker file: " + e.path,
		Files: []artifact.File{{Path: e.path, Size: st.Size()}},
	}, nil
}
