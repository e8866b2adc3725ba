package registry

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/errdef"

	"github.com/ingot-build/ingot/internal/artifact"
)

// Version is all that one run made, under one name, immutable.
type Version struct {
	Bucket, Name   string
	Created        time.Time
	RunID          string
	Description    string
	Labels         map[string]string
	Channels       []string // that point to it now, sorted
	Requested      []string // that Publish was to move to it, and that wait for approval
	RolledBack     []string // that it was to move, and that were rolled back from it
	GitCommit      string
	TemplateDigest string
	Fingerprint    string            // what the environment calls the run that made it; "" where it does not say
	Made           map[string]string // how it was made, by the names Made…
	Records        []artifact.Record // by build
	Digest         string            // of its index
}

// Names in Version.Made. Others begin with MadeCI and say what the service that
// ran it calls the run.
const (
	MadeBy      = "by"         // the user who ran it
	MadeWith    = "ingot"      // the version of ingot
	MadeOn      = "os"         // GOOS/GOARCH of the host
	MadeCommand = "command"    // its flags and the template; of variables just the names
	MadeRef     = "git.ref"    // the branch or tag that was checked out
	MadeAuthor  = "git.author" // of the commit
	MadeDirty   = "git.dirty"  // "true" where files were changed and not committed
	MadeCI      = "ci"         // "github", "gitlab", "bitbucket" or "jenkins"
)

// Publish makes a version. A name is given once: publishing the same builds,
// labels and description again returns the version that is there and false,
// anything else is a *ConflictError. Records that were not stored are stored.
// The channels of v are moved to the version; their history names the run.
func (r *Registry) Publish(ctx context.Context, v Version) (Version, bool, error) {
	op := "publish " + v.Bucket + ":" + v.Name
	repo, err := r.repository(v.Bucket)
	if err != nil {
		return v, false, err
	}
	if err := ValidVersion(v.Name); err != nil {
		return v, false, err
	}
	if err := freeChannels(ctx, repo, v); err != nil {
		return v, false, r.explain(op, err)
	}
	if v.Created.IsZero() {
		v.Created = time.Now()
	}
	v.Created = v.Created.UTC()
	v.Records = inOrder(v.Records)
	desc, err := r.pushVersion(ctx, repo, v)
	if err != nil {
		return v, false, r.explain(op, err)
	}
	v.Digest = string(desc.Digest)
	taken, err := repo.claim(ctx, desc, v.Name)
	if err != nil {
		return v, false, r.explain(op, err)
	}
	out := v
	if taken != nil {
		if out, err = r.sameVersion(ctx, repo, v, *taken); err != nil {
			return v, false, r.explain(op, err)
		}
	}
	by := strings.TrimSpace("run " + v.RunID)
	var p Pointed
	if taken == nil {
		p, err = r.pointNew(ctx, out, v.Channels, by)
	} else {
		p, err = r.PointChannels(ctx, out, v.Channels, by)
	}
	out.Channels, out.Requested, out.RolledBack = p.Moved, p.Requested, p.RolledBack
	return out, taken == nil, err
}

// freeChannels checks the channels of v before anything is published.
func freeChannels(ctx context.Context, repo repository, v Version) error {
	for _, c := range v.Channels {
		if err := ValidChannel(c); err != nil {
			return err
		}
		if c == v.Name {
			return &Error{Op: "channel " + c, Err: plainError("the version has that name"), Advice: "choose another name for the channel"}
		}
		if _, err := channelTarget(ctx, repo, v.Bucket, c); err != nil {
			return err
		}
	}
	return nil
}

// pushVersion stores the index of a version, not yet its name.
func (r *Registry) pushVersion(ctx context.Context, repo repository, v Version) (ocispec.Descriptor, error) {
	doc := ocispec.Index{
		Versioned:    specs.Versioned{SchemaVersion: 2},
		MediaType:    ocispec.MediaTypeImageIndex,
		ArtifactType: VersionType,
		Manifests:    make([]ocispec.Descriptor, len(v.Records)),
		Annotations:  v.annotations(),
	}
	for i, rec := range v.Records {
		desc, err := r.storeRecord(ctx, repo, rec)
		if err != nil {
			return desc, err
		}
		doc.Manifests[i] = entryOf(rec, desc)
	}
	desc, err := push(ctx, repo, doc.MediaType, doc)
	desc.ArtifactType = VersionType
	desc.Annotations = map[string]string{
		ocispec.AnnotationCreated: doc.Annotations[ocispec.AnnotationCreated],
		ocispec.AnnotationVersion: v.Name,
	}
	return desc, err
}

// storeRecord stores a record if it is not there, and names it by its key if
// nothing is.
func (r *Registry) storeRecord(ctx context.Context, repo repository, rec artifact.Record) (ocispec.Descriptor, error) {
	tag, err := keyTag(rec.Key)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	if err := r.storeImage(ctx, repo, rec.Artifact.Image); err != nil {
		return ocispec.Descriptor{}, err
	}
	desc, err := pushRecord(ctx, repo, rec)
	if err != nil {
		return desc, err
	}
	_, err = repo.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		err = repo.name(ctx, desc, tag)
	}
	if err == nil {
		err = refer(ctx, repo, rec, desc)
	}
	return desc, err
}

func (v Version) annotations() map[string]string {
	a := map[string]string{
		ocispec.AnnotationCreated:     v.Created.Format(time.RFC3339Nano),
		ocispec.AnnotationVersion:     v.Name,
		ocispec.AnnotationDescription: v.Description,
		ocispec.AnnotationRevision:    v.GitCommit,
		annRun:                        v.RunID,
		annTemplate:                   v.TemplateDigest,
		annFingerprint:                v.Fingerprint,
	}
	for name, text := range v.Made {
		a[annMade+name] = text
	}
	maps.DeleteFunc(a, func(_, text string) bool { return text == "" })
	for name, text := range v.Labels {
		a[annLabel+name] = text
	}
	return a
}

// sameVersion reads the version that has the name of v, and returns it when it
// is the same.
func (r *Registry) sameVersion(ctx context.Context, repo repository, v Version, taken ocispec.Descriptor) (Version, error) {
	there, err := r.readVersion(ctx, repo, v.Bucket, taken)
	if errors.Is(err, errNotVersion) || err == nil && there.Name != v.Name {
		return v, &Error{Op: "version " + v.Name, Err: plainError("the name is a channel's or another image's in " + v.Bucket), Advice: "choose another name for the version"}
	}
	if err != nil {
		return v, err
	}
	if differs := difference(there, v); differs != "" {
		return v, &ConflictError{Bucket: v.Bucket, Name: v.Name, Existing: there.Digest, Refused: v.Digest, Differs: differs}
	}
	return there, nil
}

// errNotVersion is something that has a tag and is no version.
var errNotVersion = errors.New("it is not a version")

// readVersion reads a version and its records.
func (r *Registry) readVersion(ctx context.Context, repo repository, bucket string, desc ocispec.Descriptor) (Version, error) {
	v, doc, err := readIndex(ctx, repo, bucket, desc)
	if err != nil {
		return v, err
	}
	v.Records = make([]artifact.Record, len(doc.Manifests))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, line := range doc.Manifests {
		g.Go(func() (err error) {
			v.Records[i], err = r.recordOf(ctx, repo, line)
			return err
		})
	}
	return v, g.Wait()
}

// readIndex reads a version without its records.
func readIndex(ctx context.Context, repo repository, bucket string, desc ocispec.Descriptor) (Version, ocispec.Index, error) {
	var doc ocispec.Index
	if !isIndex(desc.MediaType) {
		return Version{}, doc, errNotVersion
	}
	if err := fetchJSON(ctx, repo, desc, &doc); err != nil {
		return Version{}, doc, err
	}
	a := doc.Annotations
	if doc.ArtifactType != VersionType || ValidVersion(a[ocispec.AnnotationVersion]) != nil {
		return Version{}, doc, errNotVersion
	}
	v := Version{
		Bucket:         bucket,
		Name:           a[ocispec.AnnotationVersion],
		Created:        createdOf(a),
		RunID:          a[annRun],
		Description:    a[ocispec.AnnotationDescription],
		GitCommit:      a[ocispec.AnnotationRevision],
		TemplateDigest: a[annTemplate],
		Fingerprint:    a[annFingerprint],
		Made:           withPrefix(a, annMade),
		Labels:         withPrefix(a, annLabel),
		Digest:         string(desc.Digest),
	}
	return v, doc, nil
}

// withPrefix returns the annotations whose names have a prefix, without it;
// nil where there are none.
func withPrefix(annotations map[string]string, prefix string) map[string]string {
	var out map[string]string
	for name, text := range annotations {
		if rest, ok := strings.CutPrefix(name, prefix); ok {
			if out == nil {
				out = map[string]string{}
			}
			out[rest] = text
		}
	}
	return out
}

// difference names the first thing that makes two versions different: a build,
// the labels or the description; "" where they are the same. When and from
// which commit they were made does not count.
func difference(a, b Version) string {
	if len(a.Records) != len(b.Records) {
		return "the list of builds"
	}
	for i := range a.Records {
		x, y := a.Records[i], b.Records[i]
		if x.Build != y.Build {
			return "the list of builds"
		}
		if x.Key != y.Key || x.Artifact.ID != y.Artifact.ID || !slices.Equal(x.Artifact.Places, y.Artifact.Places) || imageOf(x) != imageOf(y) {
			return x.Build
		}
	}
	if !maps.Equal(a.Labels, b.Labels) {
		return "a label"
	}
	if a.Description != b.Description {
		return "the description"
	}
	return ""
}

// Same reports whether two versions hold the same, whatever they are called and
// whenever they were made.
func (v Version) Same(other Version) bool {
	v.Records, other.Records = inOrder(v.Records), inOrder(other.Records)
	return difference(v, other) == ""
}

func inOrder(records []artifact.Record) []artifact.Record {
	return slices.SortedStableFunc(slices.Values(records), func(a, b artifact.Record) int { return strings.Compare(a.Build, b.Build) })
}

func imageOf(rec artifact.Record) string {
	if rec.Artifact.Image == nil {
		return ""
	}
	return rec.Artifact.Image.Digest
}

// createdOf reads a creation time from annotations; the zero time is unknown.
func createdOf(annotations map[string]string) time.Time {
	t, _ := time.Parse(time.RFC3339Nano, annotations[ocispec.AnnotationCreated])
	return t
}

// isVersion tells a version from a channel, which has another name than the
// version it stands for.
func isVersion(desc ocispec.Descriptor, tag string) bool {
	return desc.ArtifactType == VersionType && desc.Annotations[ocispec.AnnotationVersion] == tag
}
