package registry

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
)

const checkpointConfig = CheckpointType + "+json"

// PutCheckpoint stores a checkpoint under its key, in its bucket, in place of an
// older one of that key and build.
func (r *Registry) PutCheckpoint(ctx context.Context, c artifact.Checkpoint) error {
	op := "record a checkpoint of " + c.Build + " in " + c.Bucket
	repo, err := r.repository(c.Bucket)
	if err != nil {
		return err
	}
	tag, err := checkpointTag(c)
	if err != nil {
		return err
	}
	config, err := push(ctx, repo, checkpointConfig, c)
	if err != nil {
		return r.explain(op, err)
	}
	m := ocispec.Manifest{ArtifactType: CheckpointType, Config: config, Annotations: map[string]string{
		ocispec.AnnotationCreated: c.Created.UTC().Format(time.RFC3339Nano), annBuild: c.Build, annKey: string(c.Key),
	}}
	if m.Layers, err = pushAttachments(ctx, repo, c.Attachments); err != nil {
		return r.explain(op, err)
	}
	desc, err := pushManifest(ctx, repo, m)
	if err == nil {
		desc.ArtifactType = CheckpointType
		err = repo.name(ctx, desc, tag)
	}
	return r.explain(op, err)
}

// Checkpoints lists the checkpoints of a bucket, newest first, those that have
// expired too. Whether their images are still there is not asked.
func (r *Registry) Checkpoints(ctx context.Context, bucket string) ([]artifact.Checkpoint, error) {
	out, err := listed(ctx, r, bucket, "checkpoints of "+bucket, beginsWith(checkpointPrefix), readCheckpoint)
	slices.SortFunc(out, func(a, b artifact.Checkpoint) int {
		return cmp.Or(b.Created.Compare(a.Created), b.Step-a.Step, strings.Compare(string(a.Key), string(b.Key)))
	})
	return out, err
}

// DropCheckpoint forgets a checkpoint. One that is not there is no error, nor is
// that another one is in its place by now, which stays. What it names in a cloud
// is not touched.
func (r *Registry) DropCheckpoint(ctx context.Context, c artifact.Checkpoint) error {
	repo, err := r.repository(c.Bucket)
	if err != nil {
		return err
	}
	tag, err := checkpointTag(c)
	if err != nil {
		return err
	}
	there, err := readCheckpoint(ctx, repo, tag)
	if err == nil && there != nil && there.Artifact.ID == c.Artifact.ID {
		err = repo.forget(ctx, tag)
	}
	return r.explain("forget the checkpoint "+c.Key.Short()+" of "+c.Bucket, err)
}

func readCheckpoint(ctx context.Context, repo repository, tag string) (*artifact.Checkpoint, error) {
	return configOf[artifact.Checkpoint](checkpointConfig, "a checkpoint")(ctx, repo, tag)
}

// CheckpointBuckets lists the buckets that may have checkpoints, sorted: also
// those in which no version was published yet.
func (r *Registry) CheckpointBuckets(ctx context.Context) ([]string, error) {
	list, err := r.store.bucketsWith(ctx, checkpointPrefix)
	return list, r.explain("list buckets", err)
}

// checkpointTag is the name of a checkpoint. Builds that do the same have each
// their own image.
func checkpointTag(c artifact.Checkpoint) (string, error) {
	if _, err := keyTag(c.Key); err != nil {
		return "", err
	}
	return checkpointPrefix + string(key.New("checkpoint/1").String(string(c.Key)).String(c.Build).Sum()), nil
}
