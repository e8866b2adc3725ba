package amazon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/internal/pause"
)

// snapshot begins a snapshot of a volume.
func (i *surrogateInstance) snapshot(ctx context.Context, device, volume string) (string, error) {
	c := i.cloud
	_, tags := c.tags().of(i.values)
	in := &ec2.CreateSnapshotInput{VolumeId: &volume, TagSpecifications: tagSpec(types.ResourceTypeSnapshot, tags, i.marks)}
	if text := i.values.Text(c.register.SnapshotDescription); text != "" {
		in.Description = &text
	}
	i.env.Log.Say("Creating a snapshot of " + device)
	id, err := i.create(ctx, kindSnapshot, "", "", func(ctx context.Context) (string, error) {
		return i.snapshotOnce(ctx, in, volume)
	})
	return id, i.r.explain(ctx, "create a snapshot of "+device, err)
}

// snapshotOnce asks until it is known that there is one snapshot: EC2 has no
// idempotency token for them.
func (i *surrogateInstance) snapshotOnce(ctx context.Context, in *ec2.CreateSnapshotInput, volume string) (string, error) {
	end := time.Now().Add(callTime)
	for attempt := 0; ; attempt++ {
		out, err := i.r.EC2.CreateSnapshot(ctx, in, func(o *ec2.Options) { o.RetryMaxAttempts = 1 })
		if err == nil {
			return aws.ToString(out.SnapshotId), nil
		}
		if !transient(err) || time.Now().After(end) {
			return "", err
		}
		d, _ := backoff(attempt, nil)
		if perr := pause.For(ctx, d); perr != nil {
			return "", errors.Join(err, perr)
		}
		found, ferr := i.r.listSnapshots(ctx, []types.Filter{filter("volume-id", volume), filter("tag:"+tagRun, i.marks[tagRun])})
		if ferr == nil && len(found) > 0 {
			return aws.ToString(found[0].SnapshotId), nil
		}
	}
}

// awaitSnapshot waits until a snapshot is complete.
func (r *Region) awaitSnapshot(ctx context.Context, id string, patience time.Duration) error {
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the snapshot %s is not complete after %s", id, patience))
	defer cancel()
	_, err := r.snapshots.Wait(ctx, id, func(s types.Snapshot, exists bool) (bool, error) {
		switch {
		case !exists || s.State == types.SnapshotStatePending:
			return false, nil
		case s.State == types.SnapshotStateCompleted:
			return true, nil
		}
		return false, fmt.Errorf("the snapshot %s became %s: %s", id, s.State, aws.ToString(s.StateMessage))
	})
	return r.explain(ctx, "", err)
}

// swapAndCreate makes the volume the root device of the instance, and an image
// of that. Volumes that were moved do not go with the instance: they are the
// session's from here on.
func (i *surrogateInstance) swapAndCreate(ctx context.Context, now types.Instance) (string, error) {
	root := i.cloud.disks.RootDevice
	if i.spot.wanted() {
		return "", errors.New("use_create_image needs an instance that can be stopped, and spot instances can't")
	}
	old := aws.ToString(now.RootDeviceName)
	var moved []string
	for _, device := range []string{old, root.SourceDeviceName} {
		volume, err := volumeAt(now, device)
		if err != nil {
			return "", err
		}
		moved = append(moved, volume)
	}
	i.env.Log.Say("Making " + root.SourceDeviceName + " the root device of the instance...")
	var detach []func(context.Context) error
	for _, volume := range moved {
		detach = append(detach, func(ctx context.Context) error {
			_, err := i.create(ctx, kindVolume, "", "", func(ctx context.Context) (string, error) {
				_, err := i.r.EC2.DetachVolume(ctx, &ec2.DetachVolumeInput{VolumeId: &volume, InstanceId: &i.id})
				if err != nil {
					return "", err
				}
				return volume, nil
			})
			if err != nil {
				return i.r.explain(ctx, "detach "+volume, err)
			}
			return i.awaitVolume(ctx, volume, types.VolumeStateAvailable)
		})
	}
	if err := together(ctx, detach...); err != nil {
		return "", err
	}
	_, err := i.r.EC2.AttachVolume(ctx, &ec2.AttachVolumeInput{VolumeId: &moved[1], InstanceId: &i.id, Device: &root.DeviceName})
	if err != nil {
		return "", i.r.explain(ctx, "attach "+moved[1], err)
	}
	if err := i.awaitVolume(ctx, moved[1], types.VolumeStateInUse); err != nil {
		return "", err
	}
	return i.createImage(ctx)
}

// awaitVolume waits until a volume is attached, or no longer.
func (i *surrogateInstance) awaitVolume(ctx context.Context, id string, want types.VolumeState) error {
	patience := i.patience(stoppingTime)
	ctx, cancel := context.WithTimeoutCause(ctx, patience, fmt.Errorf("the volume %s is not %s after %s", id, want, patience))
	defer cancel()
	_, err := i.r.volumes.Wait(ctx, id, func(v types.Volume, exists bool) (bool, error) {
		attached := len(v.Attachments) > 0 && v.Attachments[0].State == types.VolumeAttachmentStateAttached
		return exists && v.State == want && attached == (want == types.VolumeStateInUse), nil
	})
	return i.r.explain(ctx, "", err)
}
