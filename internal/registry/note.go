package registry

import (
	"context"
	"errors"
	"fmt"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
)

// Settings are the rules of a channel. They may be there before the channel is.
type Settings struct {
	Approval bool `json:"approval"` // it moves only when somebody approves
}

// Settings returns the rules of a channel.
func (r *Registry) Settings(ctx context.Context, bucket, channel string) (Settings, error) {
	if err := ValidChannel(channel); err != nil {
		return Settings{}, err
	}
	repo, err := r.repository(bucket)
	if err != nil {
		return Settings{}, err
	}
	a, err := readNote(ctx, repo, settingsPrefix+channel)
	return Settings{Approval: a[annApproval] == "true"}, r.explain("settings of "+bucket+":"+channel, err)
}

// SetSettings changes the rules of a channel.
func (r *Registry) SetSettings(ctx context.Context, bucket, channel, by string, s Settings) error {
	if err := ValidChannel(channel); err != nil {
		return err
	}
	return r.explain("settings of "+bucket+":"+channel, r.putNote(ctx, bucket, settingsPrefix+channel, map[string]string{
		ocispec.AnnotationCreated: time.Now().UTC().Format(time.RFC3339Nano),
		annBy:                     by, annApproval: fmt.Sprint(s.Approval),
	}))
}

// readRequest reads what waits for approval; nil is one that does not any more.
// It does not know its bucket.
func readRequest(ctx context.Context, repo repository, tag string) (*Request, error) {
	a, err := readNote(ctx, repo, tag)
	if err != nil || a[annState] != "open" {
		return nil, err
	}
	return &Request{Channel: a[annChannel], Version: a[annTo], Time: createdOf(a), By: a[annBy], Comment: a[annComment], Untested: a[annUntested] == "true"}, nil
}

func (r *Registry) putRequest(ctx context.Context, q Request, state string) error {
	return r.putNote(ctx, q.Bucket, requestTag(q.Channel, q.Version), map[string]string{
		ocispec.AnnotationCreated: q.Time.Format(time.RFC3339Nano),
		annChannel:                q.Channel, annTo: q.Version, annBy: q.By, annComment: q.Comment, annState: state, annUntested: fmt.Sprint(q.Untested),
	})
}

// readNote reads what a small manifest says that has no content beside; nothing
// where there is none.
func readNote(ctx context.Context, repo repository, tag string) (map[string]string, error) {
	desc, err := repo.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, nil
	}
	var m ocispec.Manifest
	if err == nil {
		err = fetchJSON(ctx, repo, desc, &m)
	}
	return m.Annotations, err
}

func (r *Registry) putNote(ctx context.Context, bucket, tag string, annotations map[string]string) error {
	repo, err := r.repository(bucket)
	if err != nil {
		return err
	}
	desc, err := pushManifest(ctx, repo, ocispec.Manifest{ArtifactType: NoteType, Annotations: annotations})
	if err != nil {
		return err
	}
	desc.ArtifactType = NoteType
	return repo.name(ctx, desc, tag)
}
