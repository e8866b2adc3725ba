package google

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/journal"
)

// checkpointLabel is on what was made on the way: the key of its last step, as
// far as a label has room for it.
const checkpointLabel = "ingot-checkpoint"

// BaseOf returns base with an image that a build made in place of its image.
func (b *builder) BaseOf(a artifact.Artifact, base builders.Base) (builders.Base, error) {
	if a.Builder != Type || len(a.Places) == 0 {
		return base, errors.New("no image was made that an instance can begin from")
	}
	base.From = &a
	return base, nil
}

// Checkpoints refuses what an image of the boot disk does not hold.
func (b *builder) Checkpoints() error {
	for _, d := range b.cloud.DiskAttachment {
		if d.VolumeType != scratch && d.AttachmentMode != "READ_ONLY" {
			return errors.New("they hold the boot disk alone, and disk_attachment gives the instance another that keeps what steps write to it")
		}
	}
	return nil
}

// markTime is how long Compute Engine may take until it stores a snapshot.
const markTime = 5 * time.Minute

// mark is the state of the boot disk as it was: a snapshot, and in the end an
// image that is made of it.
type mark struct {
	*instance
	labels   map[string]string
	about    string
	image    string // name
	snapshot string // name
	storing  *gce.Operation
	parts    []made // that are there, or may be
}

// Mark makes a snapshot of the boot disk while the instance runs.
func (m *instance) Mark(ctx context.Context, c builders.Checkpoint) (builders.Mark, error) {
	name := m.name
	if m.InstanceName != "" { // which runs before this one may have had
		name = madeUpName()
	}
	name = name[:min(len(name), 45)]
	k := &mark{
		instance: m, image: fmt.Sprintf("%s-checkpoint-%d", name, c.Step), snapshot: fmt.Sprintf("%s-mark-%d", name, c.Step),
		about: fmt.Sprintf("ingot: checkpoint of %s after step %d %s", m.env.Build, c.Step, c.Name),
		labels: merged(m.labels, map[string]string{
			checkpointLabel: labelValue(string(c.Key)), expiresLabel: strconv.FormatInt(c.Expires.Unix(), 10),
		}),
	}
	if err := k.take(ctx); err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		return nil, errors.Join(fmt.Errorf("create the snapshot %s: %w", k.snapshot, gcp.Explain(err)), k.Drop(end))
	}
	return k, nil
}

// take makes the snapshot, and returns when it is being stored: from then on
// later writes to the disk are not in it.
func (k *mark) take(ctx context.Context) error {
	body := &gce.Snapshot{
		Name: k.snapshot, Labels: k.labels, Description: k.about,
		SnapshotEncryptionKey: k.ImageEncryptionKey.api(), StorageLocations: k.ImageStorageLocations,
	}
	if key := k.DiskEncryptionKey; key != nil && key.RawKey.Reveal() != "" {
		body.SourceDiskEncryptionKey = key.api()
	}
	var err error
	k.storing, err = k.create(ctx, "snapshot", k.snapshot, k.removeSnapshot, func(ctx context.Context, request string) (*gce.Operation, error) {
		return k.api.Compute.Disks.CreateSnapshot(k.ProjectID, k.Zone, k.disk, body).RequestId(request).Context(ctx).Do()
	})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, markTime, fmt.Errorf("it is not being stored after %s", markTime))
	defer cancel()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() {
		if err := k.api.Wait(ctx, k.storing); err != nil {
			stop(err)
		}
	}()
	_, err = k.api.Snapshot(ctx, k.ProjectID, k.snapshot, func(s *gce.Snapshot) (bool, error) {
		return s != nil && slices.Contains([]string{"UPLOADING", "READY"}, s.Status), nil
	})
	return err
}

// create makes one part of the mark. The call is answered also when the build
// is cancelled meanwhile: what it makes is there.
func (k *mark) create(ctx context.Context, kind, name string, remove func(context.Context) error,
	call func(ctx context.Context, request string) (*gce.Operation, error)) (*gce.Operation, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	request := gcp.RequestID()
	entry, err := k.env.Journal.Intend(journal.Resource{
		Cloud: journalName, Place: k.ProjectID + "/global", Kind: kind, Name: name, Token: request,
		Tags: k.labels, Access: k.Access.Journal(k.launch.host), Build: k.env.Build,
	})
	if err != nil {
		return nil, err
	}
	part := made{kind, name, entry, remove}
	k.add(part)
	k.parts = append(k.parts, part)
	known, done := machine.Outlive(ctx)
	defer done()
	op, err := call(known, request)
	switch {
	case err == nil:
		err = entry.Made(name)
	case gcp.IsConflict(err): // what has the name is someone else's
		k.release(part)
		err = errors.Join(err, entry.Gone())
	}
	return op, err
}

// Image makes the image of the snapshot, which is removed then. From then on the
// image is not the session's any more.
func (k *mark) Image(ctx context.Context) (artifact.Artifact, error) {
	if err := k.api.Wait(ctx, k.storing); err != nil {
		return artifact.Artifact{}, fmt.Errorf("store the snapshot %s: %w", k.snapshot, gcp.Explain(err))
	}
	body := &gce.Image{
		Name: k.image, Labels: k.labels, SourceType: "RAW", SourceSnapshot: "projects/" + k.ProjectID + "/global/snapshots/" + k.snapshot,
		Description: k.about, ImageEncryptionKey: k.ImageEncryptionKey.api(), StorageLocations: k.ImageStorageLocations,
	}
	if key := k.ImageEncryptionKey; key != nil && key.RawKey.Reveal() != "" {
		body.SourceSnapshotEncryptionKey = key.api()
	}
	op, err := k.create(ctx, "image", k.image, k.removeImage, func(ctx context.Context, request string) (*gce.Operation, error) {
		return k.api.Compute.Images.Insert(k.ProjectID, body).RequestId(request).Context(ctx).Do()
	})
	if err == nil {
		err = k.api.Wait(ctx, op)
	}
	if err != nil {
		return artifact.Artifact{}, fmt.Errorf("create the image %s: %w", k.image, gcp.Explain(err))
	}
	for _, part := range slices.Clone(k.parts) {
		if part.kind == "image" {
			k.release(part)
		} else if err := k.drop(ctx, part); err != nil && ctx.Err() == nil {
			k.env.Log.Warn(err.Error()) // it is removed with the instance
		}
	}
	a := k.artifact(&gce.Image{Id: op.TargetId})
	a.ID, a.Text = k.image, "A checkpoint: "+k.image
	a.Places = []artifact.Place{{Name: k.ProjectID, ID: k.image}}
	return a, nil
}

// release takes a part from what Destroy and Drop remove.
func (k *mark) release(part made) {
	same := func(r made) bool { return r.entry == part.entry }
	k.mu.Lock()
	defer k.mu.Unlock()
	k.made = slices.DeleteFunc(k.made, same)
	k.parts = slices.DeleteFunc(k.parts, same)
}

// drop removes one part.
func (k *mark) drop(ctx context.Context, part made) error {
	if err := part.remove(ctx); err != nil {
		return fmt.Errorf("delete the %s %s: %w", part.kind, part.name, gcp.Explain(err))
	}
	k.release(part)
	return part.entry.Gone()
}

// Drop deletes all of it: the image, which is made of the snapshot, before that.
func (k *mark) Drop(ctx context.Context) error {
	var errs []error
	parts := slices.Clone(k.parts)
	for _, part := range slices.Backward(parts) {
		errs = append(errs, k.drop(ctx, part))
	}
	return errors.Join(errs...)
}

func (k *mark) removeImage(ctx context.Context) error {
	op, err := k.api.Compute.Images.Delete(k.ProjectID, k.image).RequestId(gcp.RequestID()).Context(ctx).Do()
	return k.ended(ctx, op, err)
}

func (k *mark) removeSnapshot(ctx context.Context) error {
	op, err := k.api.Compute.Snapshots.Delete(k.ProjectID, k.snapshot).RequestId(gcp.RequestID()).Context(ctx).Do()
	return k.ended(ctx, op, err)
}
