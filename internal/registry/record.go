package registry

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
)

// Record stores what a build made under its key, in place of an older record
// of that key. The blobs of a container's image are taken from the layout that
// the artifact names.
func (r *Registry) Record(ctx context.Context, bucket string, rec artifact.Record) error {
	op := "record " + rec.Build + " in " + bucket
	repo, err := r.repository(bucket)
	if err != nil {
		return err
	}
	tag, err := keyTag(rec.Key)
	if err != nil {
		return err
	}
	if err := r.storeImage(ctx, repo, rec.Artifact.Image); err != nil {
		return r.explain(op, err)
	}
	desc, err := pushRecord(ctx, repo, rec)
	if err == nil {
		err = repo.name(ctx, desc, tag)
	}
	if err == nil && rec.Artifact.Image != nil { // else the record may change until it is published
		err = refer(ctx, repo, rec, desc)
	}
	return r.explain(op, err)
}

// storeImage makes sure that the bucket has the image.
func (r *Registry) storeImage(ctx context.Context, repo repository, img *artifact.Image) error {
	if img == nil {
		return nil
	}
	desc := imageDescriptor(img)
	if err := desc.Digest.Validate(); err != nil {
		return &corruptError{img.Digest, err}
	}
	there, err := repo.whole(ctx, desc)
	if err != nil || there {
		return err
	}
	from := r.layout
	if img.Layout != "" {
		from = newLayout(img.Layout)
	}
	if from.dir == r.layout.dir && !r.Remote() {
		if err := r.layout.damage(ctx, desc); err != nil {
			return err
		}
		return &Error{Op: "image " + short(img.Digest), Err: plainError("blobs of it are missing in " + from.dir)}
	}
	return repo.take(ctx, from, desc)
}

// Lookup returns the record of a key. A record whose image is no longer there
// is not found; places outside of the registry are not asked.
func (r *Registry) Lookup(ctx context.Context, bucket string, k key.Key) (artifact.Record, bool, error) {
	op := "look up " + k.Short() + " in " + bucket
	repo, err := r.repository(bucket)
	if err != nil {
		return artifact.Record{}, false, err
	}
	tag, err := keyTag(k)
	if err != nil {
		return artifact.Record{}, false, err
	}
	rec, err := r.lookup(ctx, repo, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return artifact.Record{}, false, nil
	}
	return rec, err == nil, r.explain(op, err)
}

func (r *Registry) lookup(ctx context.Context, repo repository, tag string) (artifact.Record, error) {
	desc, err := repo.Resolve(ctx, tag)
	if err != nil {
		return artifact.Record{}, err
	}
	rec, err := r.readRecord(ctx, repo, desc)
	if err != nil || rec.Artifact.Image == nil {
		return rec, err
	}
	image := imageDescriptor(rec.Artifact.Image)
	there, err := repo.whole(ctx, image)
	if err == nil && !there {
		err = notThere(image, nil)
	}
	return rec, err
}

// Fetch makes sure that the blobs of an image are in the layout folder of this
// host, for those who read them there.
func (r *Registry) Fetch(ctx context.Context, bucket string, img artifact.Image) error {
	repo, err := r.repository(bucket)
	if err != nil {
		return err
	}
	desc := imageDescriptor(&img)
	there, err := r.layout.whole(ctx, desc)
	if err == nil && !there {
		err = copyGraph(ctx, repo, r.layout, desc, nil)
	}
	return r.explain("fetch "+short(img.Digest)+" of "+bucket, err)
}

// pushRecord stores a record without a name.
func pushRecord(ctx context.Context, repo repository, rec artifact.Record) (ocispec.Descriptor, error) {
	config, err := push(ctx, repo, RecordType, rec)
	if err != nil {
		return config, err
	}
	m := ocispec.Manifest{
		ArtifactType: ArtifactType,
		Config:       config,
		Annotations: map[string]string{
			ocispec.AnnotationCreated: rec.Created.UTC().Format(time.RFC3339Nano),
			annBuild:                  rec.Build,
			annKey:                    string(rec.Key),
		},
	}
	if img := rec.Artifact.Image; img != nil {
		subject := imageDescriptor(img)
		m.Subject = &subject
	}
	if m.Layers, err = pushAttachments(ctx, repo, rec.Attachments); err != nil {
		return config, err
	}
	return pushManifest(ctx, repo, m)
}

func (r *Registry) readRecord(ctx context.Context, repo content.Fetcher, desc ocispec.Descriptor) (artifact.Record, error) {
	rec, err := readConfig[artifact.Record](ctx, repo, desc, RecordType, "a record")
	if err == nil && rec == nil {
		err = fmt.Errorf("%s: %w", desc.Digest, errdef.ErrNotFound)
	}
	if err != nil {
		return artifact.Record{}, err
	}
	if img := rec.Artifact.Image; img != nil {
		img.Layout = r.layout.dir
	}
	return *rec, nil
}

func imageDescriptor(img *artifact.Image) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: img.MediaType, Digest: digest.Digest(img.Digest), Size: img.Size}
}

// entryOf returns a record's line in the index of a version: the container's
// own manifest, or the manifest of the record. Container clients choose by
// platform, and skip what has an unknown one.
func entryOf(rec artifact.Record, desc ocispec.Descriptor) ocispec.Descriptor {
	annotations := map[string]string{annBuild: rec.Build, annKey: string(rec.Key)}
	img := rec.Artifact.Image
	if img == nil {
		desc.ArtifactType = ArtifactType
		desc.Platform = &ocispec.Platform{OS: "unknown", Architecture: "unknown"}
		desc.Annotations = annotations
		return desc
	}
	annotations[annRecord] = string(desc.Digest)
	annotations[annRecordSize] = strconv.FormatInt(desc.Size, 10)
	out := imageDescriptor(img)
	out.Platform = &ocispec.Platform{OS: img.OS, Architecture: img.Architecture, Variant: img.Variant}
	out.Annotations = annotations
	return out
}

// recordOf reads the record that a line of a version's index stands for. Where
// a version was copied without its records, what the line says is all.
func (r *Registry) recordOf(ctx context.Context, repo content.Fetcher, line ocispec.Descriptor) (artifact.Record, error) {
	if line.ArtifactType == ArtifactType {
		return r.readRecord(ctx, repo, line)
	}
	size, _ := strconv.ParseInt(line.Annotations[annRecordSize], 10, 64)
	if desc, ok := descriptor(line.Annotations[annRecord], size); ok {
		rec, err := r.readRecord(ctx, repo, desc)
		if !errors.Is(err, errdef.ErrNotFound) {
			return rec, err
		}
	}
	img := &artifact.Image{MediaType: line.MediaType, Digest: string(line.Digest), Size: line.Size, Layout: r.layout.dir}
	if p := line.Platform; p != nil {
		img.OS, img.Architecture, img.Variant = p.OS, p.Architecture, p.Variant
	}
	return artifact.Record{
		Build:    line.Annotations[annBuild],
		Key:      key.Key(line.Annotations[annKey]),
		Artifact: artifact.Artifact{ID: img.Digest, Arch: img.Architecture, Image: img},
	}, nil
}
