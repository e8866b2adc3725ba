package registry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/ingot-build/ingot/internal/artifact"
)

// Settings are the rules of a channel. They may be there before the channel is.
type Settings struct {
	Approval bool `json:"approval"` // it moves only when somebody approves
}

// Request asks that a channel is pointed to a version.
type Request struct {
	Bucket  string    `json:"bucket"`
	Channel string    `json:"channel"`
	Version string    `json:"version"`
	Time    time.Time `json:"time"`
	By      string    `json:"by"`
	Comment string    `json:"comment,omitempty"`
}

// Ask is who wants a channel to move, and how.
type Ask struct {
	By, Comment string
	Untested    bool // also where tests failed, or there were none
}

// UntestedError is a version that is not promoted because of its tests.
type UntestedError struct {
	Bucket, Version string
	Why             []string // "amazon-ebs.web: test http failed"
}

func (e *UntestedError) Error() string {
	return fmt.Sprintf("%s:%s did not pass its tests: %s", e.Bucket, e.Version, strings.Join(e.Why, "; "))
}

// Hint returns what the user can do.
func (e *UntestedError) Hint() string {
	return "ingot test " + e.Bucket + ":" + e.Version + " runs them; -untested promotes it all the same"
}

// Promote points a channel to a version whose tests have all passed. Where the
// channel asks for approval, it records a request instead, and reports false.
func (r *Registry) Promote(ctx context.Context, bucket, version, channel string, ask Ask) (moved bool, err error) {
	op := "promote " + bucket + ":" + version + " to " + channel
	v, found, err := r.Version(ctx, bucket, version)
	switch {
	case err != nil:
		return false, err
	case !found:
		return false, r.explain(op, noVersion(bucket, version))
	}
	if !ask.Untested {
		runs, err := r.Tests(ctx, bucket, v.Name)
		if err != nil {
			return false, err
		}
		if why := unpassed(v, LastTests(v, runs)); len(why) > 0 {
			return false, &UntestedError{bucket, v.Name, why}
		}
	}
	if slices.Contains(v.Channels, channel) {
		return true, nil
	}
	return r.point(ctx, bucket, channel, v.Name, how{by: ask.By, comment: ask.Comment})
}

// unpassed says of each build which of its tests failed, or that it has none.
func unpassed(v Version, tests map[string]artifact.Tested) (why []string) {
	for _, rec := range v.Records {
		tested, ok := tests[rec.Build]
		if !ok {
			why = append(why, rec.Build+": it was never tested")
			continue
		}
		for _, t := range tested.Tests {
			if !t.Passed {
				why = append(why, rec.Build+": test "+t.Name+" failed")
			}
		}
	}
	return why
}

// point moves a channel, or asks for approval where that is needed.
func (r *Registry) point(ctx context.Context, bucket, channel, version string, h how) (moved bool, err error) {
	s, err := r.Settings(ctx, bucket, channel)
	if err != nil {
		return false, err
	}
	if !s.Approval {
		return true, r.setChannel(ctx, bucket, channel, version, h)
	}
	v, found, err := r.Version(ctx, bucket, version)
	if err != nil || !found {
		return false, r.explain("point "+bucket+":"+channel+" to "+version, cmp.Or(err, noVersion(bucket, version)))
	}
	if slices.Contains(v.Channels, channel) {
		return true, nil
	}
	q := Request{Bucket: bucket, Channel: channel, Version: v.Name, Time: time.Now().UTC(), By: h.by, Comment: h.comment}
	return false, r.explain("ask for approval of "+bucket+":"+version, r.putRequest(ctx, q, "open"))
}

// Settings returns the rules of a channel.
func (r *Registry) Settings(ctx context.Context, bucket, channel string) (Settings, error) {
	if err := ValidChannel(channel); err != nil {
		return Settings{}, err
	}
	a, _, err := r.note(ctx, bucket, settingsPrefix+channel)
	return Settings{Approval: a[annApproval] == "true"}, err
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

// Approve points a channel to a version that somebody asked for, and returns
// the request.
func (r *Registry) Approve(ctx context.Context, bucket, version, channel string, ask Ask) (Request, error) {
	op := "approve " + bucket + ":" + version + " for " + channel
	a, found, err := r.note(ctx, bucket, requestTag(channel, version))
	if err != nil {
		return Request{}, err
	}
	if !found || a[annState] != "open" {
		return Request{}, r.explain(op, &Error{Op: channel, Err: plainError("nobody asks for this version"), Advice: "ingot promote " + bucket + " " + version + " " + channel})
	}
	q := Request{Bucket: bucket, Channel: channel, Version: version, Time: createdOf(a), By: a[annBy], Comment: a[annComment]}
	if err := r.setChannel(ctx, bucket, channel, version, how{by: q.By, comment: cmp.Or(ask.Comment, q.Comment), approved: ask.By}); err != nil {
		return q, err
	}
	return q, r.explain(op, r.putRequest(ctx, q, "approved"))
}

// Requests lists what waits for approval in a bucket, oldest first.
func (r *Registry) Requests(ctx context.Context, bucket string) ([]Request, error) {
	op := "requests of " + bucket
	repo, err := r.repository(bucket)
	if err != nil {
		return nil, err
	}
	list, err := repo.tags(ctx)
	if err != nil {
		return nil, r.explain(op, err)
	}
	var out []Request
	for _, tag := range list {
		if !strings.HasPrefix(tag, requestPrefix) {
			continue
		}
		a, found, err := r.note(ctx, bucket, tag)
		if err != nil {
			return nil, err
		}
		if found && a[annState] == "open" {
			out = append(out, Request{Bucket: bucket, Channel: a[annChannel], Version: a[annTo], Time: createdOf(a), By: a[annBy], Comment: a[annComment]})
		}
	}
	slices.SortFunc(out, func(a, b Request) int { return a.Time.Compare(b.Time) })
	return out, nil
}

// Rollback points a channel to what it was before, or to an older version that
// it once was, and returns that. Again, it goes back one more.
func (r *Registry) Rollback(ctx context.Context, bucket, channel, to string, ask Ask) (Move, error) {
	op := "roll back " + bucket + ":" + channel
	moves, err := r.History(ctx, bucket, channel)
	if err != nil {
		return Move{}, err
	}
	was := trail(moves)
	if to != "" {
		if !slices.ContainsFunc(moves, func(m Move) bool { return m.To == to }) {
			return Move{}, r.explain(op, &Error{Op: to, Err: plainError("it never was " + channel), Advice: "ingot promote " + bucket + " " + to + " " + channel})
		}
	} else if len(was) < 2 {
		return Move{}, r.explain(op, &Error{Op: channel, Err: plainError("there is no version before this one"), Advice: "ingot registry channel " + bucket + " " + channel + " shows its history"})
	} else {
		to = was[len(was)-2]
	}
	m := Move{To: to, By: ask.By, Comment: ask.Comment, Rollback: true}
	if len(was) > 0 {
		m.From = was[len(was)-1]
	}
	return m, r.setChannel(ctx, bucket, channel, to, how{by: ask.By, comment: ask.Comment, back: true})
}

// trail are the versions that a channel came by, without those it was rolled
// back from. The last one is where it is.
func trail(newestFirst []Move) (was []string) {
	for _, m := range slices.Backward(newestFirst) {
		if i := slices.Index(was, m.To); m.Rollback && i >= 0 {
			was = was[:i+1]
			continue
		}
		was = append(was, m.To)
	}
	return was
}

func (r *Registry) putRequest(ctx context.Context, q Request, state string) error {
	return r.putNote(ctx, q.Bucket, requestTag(q.Channel, q.Version), map[string]string{
		ocispec.AnnotationCreated: q.Time.Format(time.RFC3339Nano),
		annChannel:                q.Channel, annTo: q.Version, annBy: q.By, annComment: q.Comment, annState: state,
	})
}

// note reads what a small manifest says that has no content beside.
func (r *Registry) note(ctx context.Context, bucket, tag string) (map[string]string, bool, error) {
	repo, err := r.repository(bucket)
	if err != nil {
		return nil, false, err
	}
	var m ocispec.Manifest
	desc, err := repo.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, false, nil
	}
	if err == nil {
		err = fetchJSON(ctx, repo, desc, &m)
	}
	return m.Annotations, err == nil, r.explain("read "+tag+" of "+bucket, err)
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
