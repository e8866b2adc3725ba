package registry

import (
	"context"
	"fmt"
	"regexp"
	"strings"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"

	"github.com/ingot-build/ingot/internal/artifact"
)

// LargestAttachment is how many bytes an attachment may have.
const LargestAttachment = largest

// An attachment is a layer of its record's manifest, so that it is kept and
// copied with that. Other tools find it as a referrer: a manifest whose subject
// is the container's image, or the record where there is none, and whose
// artifactType is the attachment's.

// pushAttachments stores the content of attachments and returns their layers.
func pushAttachments(ctx context.Context, repo content.Storage, list []artifact.Attachment) ([]ocispec.Descriptor, error) {
	var layers []ocispec.Descriptor
	for _, a := range list {
		desc := attachmentDescriptor(a)
		if a.Data != nil {
			if err := pushBytes(ctx, repo, desc, a.Data); err != nil {
				return nil, err
			}
		}
		desc.Annotations = map[string]string{ocispec.AnnotationTitle: a.Name}
		layers = append(layers, desc)
	}
	return layers, nil
}

func attachmentDescriptor(a artifact.Attachment) ocispec.Descriptor {
	return ocispec.Descriptor{MediaType: a.Type, Digest: digest.Digest(a.Digest), Size: a.Size}
}

// refer makes attachments known as referrers of what they are about.
func refer(ctx context.Context, repo repository, rec artifact.Record, record ocispec.Descriptor) error {
	subject := record
	if img := rec.Artifact.Image; img != nil {
		subject = imageDescriptor(img)
	}
	for _, a := range rec.Attachments {
		layer := attachmentDescriptor(a)
		layer.Annotations = map[string]string{ocispec.AnnotationTitle: a.Name}
		desc, err := pushManifest(ctx, repo, ocispec.Manifest{
			ArtifactType: a.Type,
			Layers:       []ocispec.Descriptor{layer},
			Subject:      &subject,
			Annotations:  map[string]string{annBuild: rec.Build},
		})
		if err != nil {
			return err
		}
		desc.ArtifactType = a.Type
		if err := repo.name(ctx, desc, referrerTag(subject.Digest, a)); err != nil {
			return err
		}
	}
	return nil
}

var notInTag = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// referrerTag names a referrer beside what it is about, for registries that
// keep no list of referrers, and so that it is kept.
func referrerTag(subject digest.Digest, a artifact.Attachment) string {
	kind := strings.TrimSuffix(a.Type[strings.LastIndexAny(a.Type, "/.")+1:], "+json")
	name := notInTag.ReplaceAllString(a.Name, "-")
	return fmt.Sprintf("%s-%s.%s.%s", subject.Algorithm(), subject.Encoded(), name[:min(len(name), 36)], kind)
}

// Attachment reads what is attached to an artifact of a bucket.
func (r *Registry) Attachment(ctx context.Context, bucket string, a artifact.Attachment) ([]byte, error) {
	repo, err := r.repository(bucket)
	if err != nil {
		return nil, err
	}
	data, err := fetch(ctx, repo, attachmentDescriptor(a))
	return data, r.explain("read "+a.Name+" of "+bucket, err)
}
