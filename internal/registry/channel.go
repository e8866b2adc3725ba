package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
)

// Move is one time that a channel was pointed to a version.
type Move struct {
	Time time.Time `json:"time"`
	From string    `json:"from,omitempty"` // "" for the first move
	To   string    `json:"to"`
	By   string    `json:"by,omitempty"` // who moved it, or asked for that

	Approved string `json:"approved,omitempty"` // who approved it, where that was needed
	Comment  string `json:"comment,omitempty"`
	Rollback bool   `json:"rollback,omitempty"` // back to an older version
	Untested bool   `json:"untested,omitempty"` // its tests did not all pass, and that was let pass
}

// setChannel points a channel to a version and keeps the move in the channel's
// history. Pointing it to where it points already changes nothing.
func (r *Registry) setChannel(ctx context.Context, bucket, channel string, m Move) (Outcome, error) {
	op := "point " + bucket + ":" + channel + " to " + m.To
	out := Outcome{Bucket: bucket, Version: m.To, Channel: channel, Moved: true, By: m.By, Approved: m.Approved, Untested: m.Untested}
	repo, err := r.repository(bucket)
	if err != nil {
		return out, err
	}
	if err := ValidChannel(channel); err != nil {
		return out, err
	}
	target, v, err := resolveVersion(ctx, repo, bucket, m.To)
	if err != nil {
		return out, r.explain(op, err)
	}
	out.From, err = channelTarget(ctx, repo, bucket, channel)
	if err == nil && out.From != m.To {
		m.From = out.From
		err = r.move(ctx, repo, channel, target, v, m)
	}
	return out, r.explain(op, err)
}

// move writes the move and the channel's tag.
func (r *Registry) move(ctx context.Context, repo repository, channel string, target ocispec.Descriptor, v Version, m Move) error {
	now, tok := time.Now().UTC(), token()
	annotations := map[string]string{
		ocispec.AnnotationCreated: now.Format(time.RFC3339Nano),
		annFrom:                   m.From,
		annTo:                     m.To,
		annBy:                     m.By,
		annToken:                  tok,
		annApproved:               m.Approved,
		annComment:                m.Comment,
		annRollback:               fmt.Sprint(m.Rollback),
		annUntested:               fmt.Sprint(m.Untested),
	}
	record, err := pushManifest(ctx, repo, ocispec.Manifest{ArtifactType: MoveType, Annotations: annotations})
	if err != nil {
		return err
	}
	record.ArtifactType, record.Annotations = MoveType, annotations
	target.ArtifactType = VersionType
	target.Annotations = map[string]string{
		ocispec.AnnotationCreated: v.Created.Format(time.RFC3339Nano),
		ocispec.AnnotationVersion: v.Name,
	}
	return repo.move(ctx, record, target, moveTag(channel, now, tok), channel)
}

// resolveVersion finds what a name of a version or channel stands for.
func resolveVersion(ctx context.Context, repo repository, bucket, name string) (ocispec.Descriptor, Version, error) {
	desc, err := repo.Resolve(ctx, name)
	if err != nil {
		if errors.Is(err, errdef.ErrNotFound) {
			err = noVersion(bucket, name)
		}
		return desc, Version{}, err
	}
	v, _, err := readIndex(ctx, repo, bucket, desc)
	return desc, v, err
}

func noVersion(bucket, name string) error {
	return &Error{Op: bucket + ":" + name, Err: ErrNoVersion, Advice: "ingot registry list " + bucket + " shows what there is"}
}

// channelTarget returns the version that a channel points to, "" where the
// channel is new.
func channelTarget(ctx context.Context, repo repository, bucket, channel string) (string, error) {
	_, v, err := resolveVersion(ctx, repo, bucket, channel)
	switch {
	case errors.Is(err, ErrNoVersion):
		return "", nil
	case errors.Is(err, errNotVersion):
		return "", &Error{Op: "channel " + channel, Err: plainError("the tag is another image's"), Advice: "choose another name for the channel"}
	case err == nil && v.Name == channel:
		return "", versionNotChannel(channel)
	}
	return v.Name, err
}

// target is the channelTarget of a channel in a bucket.
func (r *Registry) target(ctx context.Context, bucket, channel string) (string, error) {
	repo, err := r.repository(bucket)
	if err != nil {
		return "", err
	}
	at, err := channelTarget(ctx, repo, bucket, channel)
	return at, r.explain("read "+bucket+":"+channel, err)
}

func versionNotChannel(name string) error {
	return &Error{Op: "channel " + name, Err: plainError("there is a version of that name"), Advice: "choose another name for the channel"}
}

// Channels returns the version that each channel of a bucket points to.
func (r *Registry) Channels(ctx context.Context, bucket string) (map[string]string, error) {
	op := "channels of " + bucket
	repo, list, err := r.tags(ctx, bucket, op)
	if err != nil {
		return nil, err
	}
	channels, err := r.channels(ctx, repo, list)
	return channels, r.explain(op, err)
}

// channels finds the channels among tags: those that have moves.
func (r *Registry) channels(ctx context.Context, repo repository, list []string) (map[string]string, error) {
	moved := map[string]bool{}
	for _, tag := range list {
		if channel, ok := movedChannel(tag); ok {
			moved[channel] = true
		}
	}
	channels := map[string]string{}
	for _, tag := range list {
		if !moved[tag] {
			continue
		}
		version, err := pointsTo(ctx, repo, tag)
		if err != nil {
			return nil, err
		}
		if version != "" && version != tag {
			channels[tag] = version
		}
	}
	return channels, nil
}

// pointsTo returns the name of the version that a tag stands for, "" where it
// stands for none.
func pointsTo(ctx context.Context, repo repository, tag string) (string, error) {
	desc, err := repo.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	if name := desc.Annotations[ocispec.AnnotationVersion]; name != "" {
		return name, nil
	}
	v, _, err := readIndex(ctx, repo, "", desc)
	if errors.Is(err, errNotVersion) {
		return "", nil
	}
	return v.Name, err
}

// History lists the moves of a channel, newest first.
func (r *Registry) History(ctx context.Context, bucket, channel string) ([]Move, error) {
	if err := ValidChannel(channel); err != nil {
		return nil, err
	}
	moves, err := listed(ctx, r, bucket, "history of "+bucket+":"+channel, func(tag string) bool {
		name, ok := movedChannel(tag)
		return ok && name == channel
	}, readMove)
	slices.SortStableFunc(moves, func(a, b Move) int { return b.Time.Compare(a.Time) })
	return moves, err
}

func readMove(ctx context.Context, repo repository, tag string) (*Move, error) {
	desc, err := repo.Resolve(ctx, tag)
	if err != nil {
		return nil, err
	}
	a := desc.Annotations
	if a[annTo] == "" {
		var m ocispec.Manifest
		if err := fetchJSON(ctx, repo, desc, &m); err != nil {
			return nil, err
		}
		a = m.Annotations
	}
	return &Move{Time: createdOf(a), From: a[annFrom], To: a[annTo], By: a[annBy],
		Approved: a[annApproved], Comment: a[annComment], Rollback: a[annRollback] == "true", Untested: a[annUntested] == "true"}, nil
}
