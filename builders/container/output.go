package container

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/gofrs/flock"
	"github.com/google/uuid"
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

// lockRetry is how often a lock that another process holds is asked for again.
const lockRetry = 10 * time.Millisecond

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
	own    string       // the folder of unfinished blobs
	lock   *flock.Flock // held as long as own is in use
	entry  client.ExportEntry
}

const (
	ingestName = "ingest" // in a layout, the folder of unfinished blobs
	lockName   = "lock"   // in each folder there
)

func newCommit(ctx context.Context, layout string) (*commit, error) {
	if err := os.MkdirAll(layout, 0o755); err != nil {
		return nil, err
	}
	if err := markLayout(layout); err != nil {
		return nil, err
	}
	c := &commit{layout: layout, own: filepath.Join(layout, ingestName, uuid.NewString())}
	c.lock = flock.New(filepath.Join(c.own, lockName))
	if err := whileLocked(ctx, layout, c.makeOwn); err != nil {
		return nil, err
	}
	store, err := local.NewStore(c.own)
	if err != nil {
		return nil, errors.Join(err, c.abandon())
	}
	c.entry = client.ExportEntry{
		Type: client.ExporterOCI, OutputStore: store,
		Attrs: map[string]string{"tar": "false", string(exptypes.OptKeyOCITypes): "true"},
	}
	return c, nil
}

// makeOwn makes a folder for unfinished blobs, from where they move to the
// layout's. Each build has its own, because the store knows only of itself. It
// removes those of builds that were killed.
func (c *commit) makeOwn() error {
	folders, _ := filepath.Glob(filepath.Join(filepath.Dir(c.own), "*"))
	for _, dir := range folders {
		lock := flock.New(filepath.Join(dir, lockName))
		if free, err := lock.TryLock(); err == nil && free {
			_ = os.RemoveAll(dir)
		}
		_ = lock.Close()
	}
	blobs := filepath.Join(c.layout, ocispec.ImageBlobsDir)
	for _, dir := range []string{c.own, blobs} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	if _, err := c.lock.TryLock(); err != nil {
		return err
	}
	return os.Symlink(filepath.Join("..", "..", ocispec.ImageBlobsDir), filepath.Join(c.own, ocispec.ImageBlobsDir))
}

// whileLocked runs f while no other process does so with the same layout.
func whileLocked(ctx context.Context, layout string, f func() error) error {
	lock := flock.New(filepath.Join(layout, ocispec.ImageLayoutFile))
	if _, err := lock.TryLockContext(ctx, lockRetry); err != nil {
		return errors.Join(err, lock.Close())
	}
	return errors.Join(f(), lock.Close())
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

// abandon removes the folder of unfinished blobs, and the one around it where
// it was the last.
func (c *commit) abandon() error {
	return whileLocked(context.Background(), c.layout, func() error {
		err := errors.Join(os.RemoveAll(c.own), c.lock.Close())
		_ = os.Remove(filepath.Dir(c.own))
		return err
	})
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
