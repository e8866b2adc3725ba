package google

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"

	gce "google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/journal"
)

// checkpointLabel is on an image that was made on the way: the key of its last
// step, as far as a label has room for it.
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
	if len(b.cloud.DiskAttachment) > 0 {
		return errors.New("they hold the boot disk alone, and disk_attachment gives the instance others")
	}
	return nil
}

// Mark makes an image of the boot disk while the instance runs. Compute Engine
// does not say when it has read the disk: it returns when the image is ready.
func (m *instance) Mark(ctx context.Context, c builders.Checkpoint) (builders.Mark, error) {
	labels := merged(m.labels, map[string]string{
		checkpointLabel: labelValue(string(c.Key)), expiresLabel: strconv.FormatInt(c.Expires.Unix(), 10),
	})
	name := m.name[:min(len(m.name), 45)] + fmt.Sprintf("-checkpoint-%d", c.Step)
	body := &gce.Image{
		Name: name, Labels: labels, SourceType: "RAW", SourceDisk: "projects/" + m.ProjectID + "/zones/" + m.Zone + "/disks/" + m.disk,
		Description:        fmt.Sprintf("ingot: checkpoint of %s after step %d %s", m.env.Build, c.Step, c.Name),
		ImageEncryptionKey: m.ImageEncryptionKey.api(), StorageLocations: m.ImageStorageLocations,
	}
	if k := m.DiskEncryptionKey; k != nil && k.RawKey.Reveal() != "" {
		body.SourceDiskEncryptionKey = k.api()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	request := gcp.RequestID()
	entry, err := m.env.Journal.Intend(journal.Resource{
		Cloud: journalName, Place: m.ProjectID + "/global", Kind: "image", Name: name, Token: request,
		Tags: labels, Access: m.Access.Journal(m.launch.host), Build: m.env.Build,
	})
	if err != nil {
		return nil, err
	}
	at := &mark{instance: m, name: name, entry: entry}
	m.add(made{"image", name, entry, at.remove})
	known, done := machine.Outlive(ctx)
	defer done()
	op, err := m.api.Compute.Images.Insert(m.ProjectID, body).ForceCreate(true).RequestId(request).Context(known).Do()
	if err == nil {
		err = m.api.Wait(ctx, op)
	}
	if err == nil {
		at.id = op.TargetId
		err = entry.Made(name)
	}
	if err != nil {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTimeout)
		defer cancel()
		return nil, errors.Join(fmt.Errorf("create the image %s: %w", name, gcp.Explain(err)), at.undo(end, err))
	}
	return at, nil
}

// mark is an image that was made on the way.
type mark struct {
	*instance
	name  string
	id    uint64
	entry *journal.Entry
}

// Image returns the image, which is ready. From then on it is not the session's
// any more.
func (k *mark) Image(context.Context) (artifact.Artifact, error) {
	k.release()
	a := k.artifact(&gce.Image{Name: k.name, Id: k.id})
	a.ID, a.Text = k.name, "A checkpoint: "+k.name
	a.Places = []artifact.Place{{Name: k.ProjectID, ID: k.name}}
	return a, nil
}

// release takes the image from what Destroy removes.
func (k *mark) release() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.made = slices.DeleteFunc(k.made, func(r made) bool { return r.entry == k.entry })
}

func (k *mark) remove(ctx context.Context) error {
	op, err := k.api.Compute.Images.Delete(k.ProjectID, k.name).RequestId(gcp.RequestID()).Context(ctx).Do()
	return k.ended(ctx, op, err)
}

// Drop deletes the image.
func (k *mark) Drop(ctx context.Context) error {
	if err := k.remove(ctx); err != nil {
		return fmt.Errorf("delete the checkpoint %s: %w", k.name, gcp.Explain(err))
	}
	k.release()
	return k.entry.Gone()
}

// undo removes what is left of an image that was not made. One that has its
// name already is someone else's.
func (k *mark) undo(ctx context.Context, why error) error {
	if gcp.IsConflict(why) {
		k.release()
		return k.entry.Gone()
	}
	return k.Drop(ctx)
}
