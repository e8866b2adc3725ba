package amazon

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/internal/artifact"
)

// surrogateInstance is an instance whose further volumes become the image.
type surrogateInstance struct {
	*ebsInstance
	cloud *surrogate
}

// Capture makes the image: of snapshots of the volumes, or of the instance once
// the volume is its root device.
func (i *surrogateInstance) Capture(ctx context.Context) (artifact.Artifact, error) {
	now, err := i.stop(ctx)
	if err != nil {
		return artifact.Artifact{}, err
	}
	if err := i.freeName(ctx); err != nil {
		return artifact.Artifact{}, err
	}
	var id string
	if i.cloud.register.UseCreateImage {
		id, err = i.swapAndCreate(ctx, now)
	} else {
		id, err = i.snapshotAndRegister(ctx, now)
	}
	if err != nil {
		return artifact.Artifact{}, err
	}
	img, err := i.finish(ctx, id)
	if err != nil {
		return artifact.Artifact{}, err
	}
	for _, m := range i.left(kindSnapshot) { // they are the image's now
		i.release("", m)
		if err := m.entry.Keep(); err != nil {
			return artifact.Artifact{}, err
		}
	}
	return madeOf(TypeSurrogate, i.r.Name, img, i.values), nil
}

// stop stops the instance, so that its volumes are at rest. A spot instance
// can't be stopped: its volumes should not be mounted any more.
func (i *surrogateInstance) stop(ctx context.Context) (types.Instance, error) {
	switch {
	case i.spot.wanted():
		return i.last(), nil
	case i.run.DisableStopInstance:
		i.env.Log.Say("Waiting for the instance to stop...")
	default:
		i.env.Log.Say("Stopping the source instance...")
		if _, err := i.r.EC2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{i.id}}); err != nil {
			return types.Instance{}, i.r.explain(ctx, "stop the instance "+i.id, err)
		}
	}
	return i.r.awaitInstance(ctx, i.id, i.patience(stoppingTime), func(now types.Instance) bool {
		return stateOf(now) == types.InstanceStateNameStopped
	})
}

// volumeAt returns the volume of the instance that is attached as a device.
func volumeAt(now types.Instance, device string) (string, error) {
	for _, m := range now.BlockDeviceMappings {
		if aws.ToString(m.DeviceName) == device && m.Ebs != nil {
			return aws.ToString(m.Ebs.VolumeId), nil
		}
	}
	return "", fmt.Errorf("the instance %s has no volume at %s", aws.ToString(now.InstanceId), device)
}

// snapshotAndRegister makes snapshots of all volumes at the same time, and an
// image of them. The instance ends as soon as they have begun.
func (i *surrogateInstance) snapshotAndRegister(ctx context.Context, now types.Instance) (string, error) {
	var mu sync.Mutex
	snapshots := map[string]string{} // by device
	var begin, await []func(context.Context) error
	for _, d := range i.cloud.disks.LaunchBlockDevices {
		if d.OmitFromArtifact || d.NoDevice || d.VirtualName != "" {
			continue
		}
		volume, err := volumeAt(now, d.DeviceName)
		if err != nil {
			return "", err
		}
		begin = append(begin, func(ctx context.Context) error {
			id, err := i.snapshot(ctx, d.DeviceName, volume)
			mu.Lock()
			defer mu.Unlock()
			snapshots[d.DeviceName] = id
			return err
		})
		await = append(await, func(ctx context.Context) error {
			mu.Lock()
			id := snapshots[d.DeviceName]
			mu.Unlock()
			return i.r.awaitSnapshot(ctx, id, i.patience(imageTime))
		})
	}
	if err := together(ctx, begin...); err != nil {
		return "", err
	}
	if !i.env.Hold {
		await = append(await, i.terminate)
	}
	if err := together(ctx, await...); err != nil {
		return "", err
	}
	return i.registerImage(ctx, snapshots)
}

// registerImage makes an image of snapshots.
func (i *surrogateInstance) registerImage(ctx context.Context, snapshots map[string]string) (string, error) {
	c := i.cloud
	i.env.Log.Say("Registering the AMI " + i.name)
	tags, _ := c.tags().of(i.values)
	in := &ec2.RegisterImageInput{
		Name: &i.name, Architecture: types.ArchitectureValues(c.register.Architecture), RootDeviceName: &c.disks.RootDevice.DeviceName,
		VirtualizationType: aws.String("hvm"), BlockDeviceMappings: c.disks.imageDevices(snapshots),
		BootMode: types.BootModeValues(c.register.BootMode), TpmSupport: types.TpmSupportValues(c.register.TpmSupport),
		EnaSupport: c.ami.ENASupport, ImdsSupport: types.ImdsSupportValues(c.ami.IMDSSupport),
		TagSpecifications: tagSpec(types.ResourceTypeImage, tags, i.marks),
	}
	if v := c.ami.VirtualizationType; v != "" {
		in.VirtualizationType = &v
	}
	if c.ami.SriovSupport {
		in.SriovNetSupport = aws.String("simple")
	}
	if c.register.UefiData != "" {
		in.UefiData = &c.register.UefiData
	}
	if text := i.values.Text(c.ami.Description); text != "" {
		in.Description = &text
	}
	id, err := i.makeImage(ctx, func(ctx context.Context) (*string, error) {
		out, err := i.r.EC2.RegisterImage(ctx, in)
		if err != nil {
			return nil, err
		}
		return out.ImageId, nil
	})
	return id, i.r.explain(ctx, "register the image "+i.name, err)
}

// imageDevices are the block devices of an image made of snapshots. The
// instance's win over others of the same name.
func (c SurrogateDisks) imageDevices(snapshots map[string]string) []types.BlockDeviceMapping {
	byName := map[string]types.BlockDeviceMapping{}
	for _, d := range c.AMIBlockDevices {
		byName[d.DeviceName] = d.mapping(false)
	}
	for _, l := range c.LaunchBlockDevices {
		if l.OmitFromArtifact || l.NoDevice {
			continue
		}
		d := l.BlockDevice
		if d.DeviceName == c.RootDevice.SourceDeviceName {
			d = c.rootDevice(d)
		}
		m := d.mapping(false)
		if m.Ebs != nil { // encryption is the snapshot's
			m.Ebs.SnapshotId, m.Ebs.Encrypted, m.Ebs.KmsKeyId = aws.String(snapshots[l.DeviceName]), nil, nil
		}
		byName[d.DeviceName] = m
	}
	var out []types.BlockDeviceMapping
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		out = append(out, byName[name])
	}
	return out
}
