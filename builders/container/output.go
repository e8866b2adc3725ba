package container

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/gofrs/flock"
	"github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/ingest"
)

// output is what becomes of a build's result.
type output interface {
	exports() []client.ExportEntry
	// artifact says what there is after the build, and keeps it.
	artifact(resp *client.SolveResponse) (artifact.Artifact, error)
	// abandon drops what artifact was not called for.
	abandon() error
}

func (o *options) newOutput(ctx context.Context, host builders.Host) (output, error) {
	switch {
	case o.Commit:
		return newCommit(ctx, host.Layout)
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
	layout     string
	unfinished *ingest.Folder
	entry      client.ExportEntry
}

// newCommit gives the build a folder of unfinished blobs of its own, because
// the store knows only of itself.
func newCommit(ctx context.Context, layout string) (*commit, error) {
	folder, err := ingest.Open(ctx, layout)
	if err != nil {
		return nil, err
	}
	c := &commit{layout: layout, unfinished: folder}
	store, err := local.NewStore(folder.Dir)
	if err != nil {
		return nil, errors.Join(err, c.abandon())
	}
	c.entry = client.ExportEntry{
		Type: client.ExporterOCI, OutputStore: store,
		Attrs: map[string]string{"tar": "false", string(exptypes.OptKeyOCITypes): "true"},
	}
	return c, nil
}

func (c *commit) exports() []client.ExportEntry { return []client.ExportEntry{c.entry} }

func (c *commit) abandon() error { return c.unfinished.Close() }

// noRoom says that the disk of the layout is full, where the error is about
// that: BuildKit passes on its text alone.
func (c *commit) noRoom(err error) error {
	if text := err.Error(); !strings.Contains(text, c.layout) || !strings.Contains(text, syscall.ENOSPC.Error()) {
		return err
	}
	return builders.WithHint(fmt.Errorf("write the image to %s: %w", c.layout, syscall.ENOSPC), "the disk is full: ingot registry gc removes what no version uses")
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
	temp         string       // being written, "" where there is none
	lock         *flock.Flock // of temp
}

func (e *exportFile) exports() []client.ExportEntry {
	kind := map[string]string{formatRootfs: client.ExporterTar, formatDocker: client.ExporterDocker, formatOCI: client.ExporterOCI}
	return []client.ExportEntry{{Type: kind[e.format], Output: func(map[string]string) (io.WriteCloser, error) {
		if err := os.MkdirAll(filepath.Dir(e.path), 0o755); err != nil {
			return nil, err
		}
		return e.create()
	}}}
}

// create makes the file beside the one to write, and removes those that builds
// which were killed have left. A lock tells whether one is in use; it is held
// before the file has its name.
func (e *exportFile) create() (*os.File, error) {
	prefix := filepath.Join(filepath.Dir(e.path), "."+filepath.Base(e.path)+"-")
	left, _ := filepath.Glob(globQuote(prefix) + "*")
	for _, name := range left {
		lock := flock.New(name)
		if free, err := lock.TryLock(); err == nil && free {
			_ = os.Remove(name)
		}
		_ = lock.Close()
	}
	f, err := os.CreateTemp(filepath.Dir(e.path), ".ingot-export-*")
	if err != nil {
		return nil, err
	}
	e.temp, e.lock = f.Name(), flock.New(f.Name())
	if _, err = e.lock.TryLock(); err == nil {
		err = os.Rename(f.Name(), prefix+strings.TrimPrefix(filepath.Base(f.Name()), ".ingot-export-"))
	}
	if err == nil {
		e.temp = prefix + strings.TrimPrefix(filepath.Base(f.Name()), ".ingot-export-")
		err = f.Chmod(0o644)
	}
	return f, err
}

// globQuote makes a path one that a pattern matches as it is.
func globQuote(path string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}

func (e *exportFile) abandon() error {
	if e.temp == "" {
		return nil
	}
	return errors.Join(os.Remove(e.temp), e.lock.Close())
}

func (e *exportFile) artifact(*client.SolveResponse) (artifact.Artifact, error) {
	if err := os.Rename(e.temp, e.path); err != nil {
		return artifact.Artifact{}, err
	}
	e.temp = ""
	if err := e.lock.Close(); err != nil {
		return artifact.Artifact{}, err
	}
	st, err := os.Stat(e.path)
	if err != nil {
		return artifact.Artifact{}, err
	}
	return artifact.Artifact{
		Builder: "docker", ID: "Container", Text: "Exported Docker file: " + e.path,
		Files: []artifact.File{{Path: e.path, Size: st.Size()}},
	}, nil
}
