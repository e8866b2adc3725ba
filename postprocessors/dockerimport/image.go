package dockerimport

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	dockerspec "github.com/moby/docker-image-spec/specs-go/v1"
	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/builders/container/changes"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/ingest"
	"github.com/ingot-build/ingot/postprocessors"
)

// makeImage writes the layer, the configuration and the manifest.
func (c *Config) makeImage(ctx context.Context, in postprocessors.Input, folder *ingest.Folder, path string) (artifact.Image, error) {
	platform, err := c.platform(in)
	if err != nil {
		return artifact.Image{}, err
	}
	l, err := writeLayer(ctx, folder.Dir, path)
	if err != nil {
		return artifact.Image{}, err
	}
	config, err := c.config(platform, l)
	if err != nil {
		return artifact.Image{}, err
	}
	text, err := put(folder.Dir, ocispec.MediaTypeImageConfig, config)
	if err != nil {
		return artifact.Image{}, err
	}
	desc, err := put(folder.Dir, ocispec.MediaTypeImageManifest, ocispec.Manifest{
		Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageManifest,
		Config: text, Layers: []ocispec.Descriptor{l.blob},
	})
	return artifact.Image{
		MediaType: desc.MediaType, Digest: desc.Digest.String(), Size: desc.Size, OS: platform.OS,
		Architecture: platform.Architecture, Variant: platform.Variant, Layout: in.Host.Layout,
	}, err
}

// config is the image's configuration: that of the changes alone.
func (c *Config) config(platform ocispec.Platform, l layer) (dockerspec.DockerOCIImage, error) {
	img := dockerspec.DockerOCIImage{Image: ocispec.Image{
		Platform: platform,
		RootFS:   ocispec.RootFS{Type: "layers", DiffIDs: []digest.Digest{l.diffID}},
		History:  []ocispec.History{{CreatedBy: "ingot docker-import"}},
	}}
	if !l.newest.IsZero() {
		at := l.newest.UTC().Truncate(time.Second)
		img.Created, img.History[0].Created = &at, &at
	}
	list, err := changes.Parse(c.Changes)
	if err != nil {
		return img, err
	}
	return img, changes.Apply(&img, list)
}

// put writes a blob of JSON.
func put(dir, mediaType string, v any) (ocispec.Descriptor, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := ocispec.Descriptor{MediaType: mediaType, Digest: digest.FromBytes(text), Size: int64(len(text))}
	f, err := os.CreateTemp(dir, "blob-*")
	if err != nil {
		return desc, err
	}
	_, err = f.Write(text)
	return desc, errors.Join(err, f.Close(), place(dir, f.Name(), desc.Digest))
}

// place moves a finished blob to where those of the layout are. One that is
// there is used, and not removed for a while: it looks new.
func place(dir, path string, sum digest.Digest) error {
	to := filepath.Join(dir, ocispec.ImageBlobsDir, sum.Algorithm().String(), sum.Encoded())
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if err := os.Chmod(path, 0o444); err != nil {
		return err
	}
	now := time.Now()
	if err := os.Chtimes(to, now, now); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(path, to)
}
