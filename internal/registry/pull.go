package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/ingot-build/ingot/internal/artifact"
)

// PullTo says where Pull writes: one of Dir and Tar.
type PullTo struct {
	Dir   string // an OCI layout; the folder must be new or empty
	Tar   string // a file with an OCI layout that docker load reads too
	Build string // address of the build whose image is wanted; "" is all of them
}

// Pull writes the container images of a version, or of the one that a channel
// points to. The folder or file is there whole or not at all.
func (r *Registry) Pull(ctx context.Context, bucket, nameOrChannel string, to PullTo) (Version, error) {
	op := "pull " + bucket + ":" + nameOrChannel
	repo, err := r.repository(bucket)
	if err != nil {
		return Version{}, err
	}
	v, ok, err := r.Version(ctx, bucket, nameOrChannel)
	if err != nil {
		return v, err
	}
	if !ok {
		return v, r.explain(op, noVersion(bucket, nameOrChannel))
	}
	records, err := containers(v, to.Build)
	if err != nil {
		return v, r.explain(op, err)
	}
	p := &pull{ctx: ctx, from: repo, version: v, records: records}
	if to.Tar != "" {
		err = p.toTar(to.Tar)
	} else {
		err = p.toDir(to.Dir)
	}
	return v, r.explain(op, err)
}

// containers returns the records of v that are container images.
func containers(v Version, build string) ([]artifact.Record, error) {
	var found []artifact.Record
	var names []string
	for _, rec := range v.Records {
		if rec.Artifact.Image == nil {
			continue
		}
		names = append(names, rec.Build)
		if build == "" || rec.Build == build {
			found = append(found, rec)
		}
	}
	switch {
	case len(found) > 0:
		return found, nil
	case len(names) == 0:
		return nil, &Error{Op: "version " + v.Name, Err: plainError("it has no container image"),
			Advice: "ingot registry show " + v.Bucket + " " + v.Name + " tells where its images are"}
	}
	return nil, &Error{Op: "version " + v.Name, Err: plainError("it has no container image of build " + build),
		Advice: "it has those of " + strings.Join(names, ", ")}
}

// sink takes the files of a layout.
type sink interface {
	put(name string, size int64, from io.Reader) error
}

// pull is one Pull under way.
type pull struct {
	ctx     context.Context
	from    content.Fetcher
	version Version
	records []artifact.Record
	done    map[string]bool // names that were written
	docker  []dockerImage
}

// dockerImage is an entry of manifest.json, the list that docker load reads.
type dockerImage struct {
	Config   string   `json:"Config"`
	RepoTags []string `json:"RepoTags"`
	Layers   []string `json:"Layers"`
}

func (p *pull) toDir(dir string) error {
	if files, err := os.ReadDir(dir); err == nil && len(files) > 0 {
		return &Error{Op: dir, Err: plainError("the folder is not empty"), Advice: "name a new folder"}
	}
	parent := filepath.Dir(filepath.Clean(dir))
	if err := os.MkdirAll(parent, 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(parent, ".ingot-pull-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(tmp)
	root, err := os.OpenRoot(tmp)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := p.write(dirSink{root}); err != nil {
		return err
	}
	if err := os.Chmod(tmp, 0o755); err != nil {
		return err
	}
	return os.Rename(tmp, dir)
}

func (p *pull) toTar(file string) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".ingot-pull-")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	defer tmp.Close()
	out := newTarSink(tmp)
	if err := p.write(out); err != nil {
		return err
	}
	if err := out.Close(); err != nil {
		return err
	}
	if err := tmp.Chmod(0o644); err != nil {
		return err
	}
	if err := tmp.Close(); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), file)
}

// write writes the blobs, then the files that name them.
func (p *pull) write(to sink) error {
	p.done = map[string]bool{}
	var lines []ocispec.Descriptor
	for _, rec := range p.records {
		desc := imageDescriptor(rec.Artifact.Image)
		if err := p.blobs(to, desc); err != nil {
			return err
		}
		tag := p.version.Name
		if len(p.records) > 1 {
			tag += "-" + tagSafe.ReplaceAllString(rec.Build, "-")
		}
		if err := p.addDocker(desc, tag); err != nil {
			return err
		}
		lines = append(lines, p.line(rec, desc, tag))
	}
	if len(lines) > 1 {
		all, err := p.together(to, lines)
		if err != nil {
			return err
		}
		lines = append([]ocispec.Descriptor{all}, lines...)
	}
	index := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex, Manifests: lines}
	if err := putJSON(to, "manifest.json", p.docker); err != nil {
		return err
	}
	if err := putJSON(to, ocispec.ImageIndexFile, index); err != nil {
		return err
	}
	return putJSON(to, ocispec.ImageLayoutFile, ocispec.ImageLayout{Version: ocispec.ImageLayoutVersion})
}

var tagSafe = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

func (p *pull) line(rec artifact.Record, desc ocispec.Descriptor, tag string) ocispec.Descriptor {
	img := rec.Artifact.Image
	if img.OS != "" {
		desc.Platform = &ocispec.Platform{OS: img.OS, Architecture: img.Architecture, Variant: img.Variant}
	}
	desc.Annotations = map[string]string{
		ocispec.AnnotationRefName: tag,
		annImageName:              p.version.Bucket + ":" + tag,
		annBuild:                  rec.Build,
	}
	return desc
}

// together writes an index over several images and returns its line, which has
// the version's name: clients choose by platform.
func (p *pull) together(to sink, lines []ocispec.Descriptor) (ocispec.Descriptor, error) {
	doc := ocispec.Index{Versioned: specs.Versioned{SchemaVersion: 2}, MediaType: ocispec.MediaTypeImageIndex}
	for _, l := range lines {
		l.Annotations = map[string]string{annBuild: l.Annotations[annBuild]}
		doc.Manifests = append(doc.Manifests, l)
	}
	data, err := json.Marshal(doc)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := content.NewDescriptorFromBytes(doc.MediaType, data)
	desc.Annotations = map[string]string{
		ocispec.AnnotationRefName: p.version.Name,
		annImageName:              p.version.Bucket + ":" + p.version.Name,
	}
	return desc, to.put(blobName(desc), desc.Size, strings.NewReader(string(data)))
}

// blobs writes content and all that it points to, each piece once.
func (p *pull) blobs(to sink, desc ocispec.Descriptor) error {
	if err := desc.Digest.Validate(); err != nil {
		return fmt.Errorf("%q: %w", string(desc.Digest), err)
	}
	if p.done[blobName(desc)] {
		return nil
	}
	p.done[blobName(desc)] = true
	if isManifest(desc.MediaType) {
		children, err := content.Successors(p.ctx, limited{p.from}, desc)
		if err != nil {
			return err
		}
		for _, c := range children {
			if err := p.blobs(to, c); err != nil {
				return err
			}
		}
	}
	body, err := p.from.Fetch(p.ctx, desc)
	if err != nil {
		return err
	}
	defer body.Close()
	verify := content.NewVerifyReader(body, desc)
	if err := to.put(blobName(desc), desc.Size, verify); err != nil {
		return checked(desc, err)
	}
	if err := verify.Verify(); err != nil {
		return checked(desc, err)
	}
	return p.ctx.Err()
}

func (p *pull) addDocker(desc ocispec.Descriptor, tag string) error {
	if isIndex(desc.MediaType) {
		return nil // docker load reads index.json too, manifest.json has no word for this
	}
	var m ocispec.Manifest
	if err := fetchJSON(p.ctx, p.from, desc, &m); err != nil {
		return err
	}
	img := dockerImage{Config: blobName(m.Config), RepoTags: []string{p.version.Bucket + ":" + tag}}
	for _, l := range m.Layers {
		img.Layers = append(img.Layers, blobName(l))
	}
	p.docker = append(p.docker, img)
	return nil
}

func blobName(desc ocispec.Descriptor) string {
	return path.Join(ocispec.ImageBlobsDir, desc.Digest.Algorithm().String(), desc.Digest.Encoded())
}

func putJSON(to sink, name string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return to.put(name, int64(len(data)), strings.NewReader(string(data)))
}
