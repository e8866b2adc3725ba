package registry

import (
	"context"
	"slices"
	"time"

	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/internal/artifact"
)

// TestRun is what tests of a version's artifacts came to, after the version was
// published. It is stored beside the version, which does not change.
type TestRun struct {
	Version string                     `json:"version"`
	Time    time.Time                  `json:"time"` // when they ended
	RunID   string                     `json:"runId"`
	By      string                     `json:"by,omitempty"` // who ran them
	Builds  map[string]artifact.Tested `json:"builds"`       // by the build's address
}

// PutTests stores what tests of a version came to, beside what is there: as the
// newest, also where the clock of this host is behind.
func (r *Registry) PutTests(ctx context.Context, bucket string, t TestRun) error {
	op := "store tests of " + bucket + ":" + t.Version
	repo, err := r.repository(bucket)
	if err != nil {
		return err
	}
	version, v, err := resolveVersion(ctx, repo, bucket, t.Version)
	if err != nil {
		return r.explain(op, err)
	}
	before, err := r.Tests(ctx, bucket, v.Name)
	if err != nil {
		return err
	}
	t.Version, t.Time = v.Name, t.Time.UTC()
	if len(before) > 0 && !t.Time.After(before[0].Time) {
		t.Time = before[0].Time.Add(1)
	}
	config, err := push(ctx, repo, TestsConfigType, t)
	if err != nil {
		return r.explain(op, err)
	}
	tok := token()
	subject := ocispec.Descriptor{MediaType: version.MediaType, Digest: version.Digest, Size: version.Size}
	desc, err := pushManifest(ctx, repo, ocispec.Manifest{
		ArtifactType: TestsType, Config: config, Subject: &subject,
		Annotations: map[string]string{ocispec.AnnotationCreated: t.Time.Format(time.RFC3339Nano), annToken: tok},
	})
	if err == nil {
		desc.ArtifactType = TestsType
		err = repo.name(ctx, desc, testsTag(version.Digest, t.Time, tok))
	}
	return r.explain(op, err)
}

// Tests returns what PutTests has stored for a version, newest first. What the
// run that made the version came to is in its records.
func (r *Registry) Tests(ctx context.Context, bucket, version string) ([]TestRun, error) {
	op := "tests of " + bucket + ":" + version
	repo, err := r.repository(bucket)
	if err != nil {
		return nil, err
	}
	desc, _, err := resolveVersion(ctx, repo, bucket, version)
	if err != nil {
		return nil, r.explain(op, err)
	}
	runs, err := listed(ctx, r, bucket, op, beginsWith(testsOf(desc.Digest)), configOf[TestRun](TestsConfigType, "a run of tests"))
	slices.SortFunc(runs, func(a, b TestRun) int { return b.Time.Compare(a.Time) })
	return runs, err
}

// testsOf begins the tags of a version's tests. A version's name may be as long
// as a tag, so that its digest stands for it.
func testsOf(version digest.Digest) string { return testsPrefix + version.Encoded()[:32] + "." }

func testsTag(version digest.Digest, at time.Time, tok string) string {
	return testsOf(version) + at.UTC().Format(stamp) + "-" + tok
}

// LastTests returns, for each build of a version, what the last run of its
// tests came to: the newest of runs, else what its record says. A build that
// was never tested is not in it.
func LastTests(v Version, runs []TestRun) map[string]artifact.Tested {
	out := map[string]artifact.Tested{}
	for _, rec := range v.Records {
		if rec.Tested != nil {
			out[rec.Build] = *rec.Tested
		}
	}
	for _, run := range slices.Backward(runs) {
		for build, tested := range run.Builds {
			out[build] = tested
		}
	}
	return out
}
