package registry

import (
	"bytes"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/internal/artifact"
)

func document(name, mediaType, text string) artifact.Attachment {
	return artifact.Attachment{Name: name, Type: mediaType, Digest: digest.FromString(text).String(), Size: int64(len(text)), Data: []byte(text)}
}

// TestAttachments: what is attached is there with every version that has the
// artifact, is kept by GC and found as a referrer.
func TestAttachments(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		image := container(t, r.Layout(), "docker.web", "web", "amd64")
		image.Attachments = []artifact.Attachment{document("sbom", "application/vnd.cyclonedx+json", `{"a": 1}`), document("sbom", "application/spdx+json", `{"b": 2}`)}
		ami := machine("amazon-ebs.web", "ami-1")
		ami.Attachments = []artifact.Attachment{document("a name that is long, and no tag", "application/spdx+json", `{"c": 3}`)}
		for _, rec := range []artifact.Record{image, ami} {
			if err := r.Record(t.Context(), "web", rec); err != nil {
				t.Fatal(err)
			}
		}
		// As an unchanged build finds them: without their content.
		var records []artifact.Record
		for _, rec := range []artifact.Record{image, ami} {
			found, ok, err := r.Lookup(t.Context(), "web", rec.Key)
			if err != nil || !ok || len(found.Attachments) != len(rec.Attachments) || found.Attachments[0].Data != nil {
				t.Fatalf("%+v, %v, %v", found.Attachments, ok, err)
			}
			records = append(records, found)
		}
		if _, _, err := r.Publish(t.Context(), Version{Bucket: "web", Name: "1.0", Records: records}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.GC(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		v, ok, err := r.Version(t.Context(), "web", "1.0")
		if err != nil || !ok {
			t.Fatal(ok, err)
		}
		want := map[string][]artifact.Attachment{"docker.web": image.Attachments, "amazon-ebs.web": ami.Attachments}
		for _, rec := range v.Records {
			for i, a := range rec.Attachments {
				data, err := r.Attachment(t.Context(), "web", a)
				if err != nil || !bytes.Equal(data, want[rec.Build][i].Data) {
					t.Errorf("%s of %s: %q, %v", a.Name, rec.Build, data, err)
				}
			}
		}
		repo, err := r.repository("web")
		if err != nil {
			t.Fatal(err)
		}
		tag := strings.Replace(image.Artifact.Image.Digest, ":", "-", 1) + ".sbom.cyclonedx"
		desc, err := repo.Resolve(t.Context(), tag)
		if err != nil {
			t.Fatal(err)
		}
		var m ocispec.Manifest
		if err := fetchJSON(t.Context(), repo, desc, &m); err != nil {
			t.Fatal(err)
		}
		if m.ArtifactType != "application/vnd.cyclonedx+json" || m.Subject == nil || string(m.Subject.Digest) != image.Artifact.Image.Digest || len(m.Layers) != 1 {
			t.Errorf("the referrer is %+v", m)
		}
		if names, err := r.Versions(t.Context(), "web"); err != nil || len(names) != 1 {
			t.Errorf("%d versions, %v: referrers are none", len(names), err)
		}
	})
}
