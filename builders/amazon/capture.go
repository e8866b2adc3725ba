package amazon

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
)

// ebsInstance is an instance whose own volumes become the image.
type ebsInstance struct {
	*instance
	cloud *ebs
	name  string       // of the image
	old   *types.Image // that has this name and is to be replaced
}

// Capture makes the image of the instance's volumes. It returns when the image
// is available; the instance ends as soon as its volumes are no longer needed.
func (i *ebsInstance) Capture(ctx context.Context) (artifact.Artifact, error) {
	c := i.cloud
	if c.capture.SkipCreateAMI {
		return artifact.Artifact{Builder: TypeEBS, Text: "No AMI was created: skip_create_ami is set"}, nil
	}
	if err := i.halt(ctx, c.ami); err != nil {
		return artifact.Artifact{}, err
	}
	if err := i.freeName(ctx); err != nil {
		return artifact.Artifact{}, err
	}
	id, err := i.createImage(ctx)
	if err != nil {
		return artifact.Artifact{}, err
	}
	img, err := i.finish(ctx, id)
	if err != nil {
		return artifact.Artifact{}, err
	}
	return madeOf(TypeEBS, i.r.Name, img, i.values), nil
}

// madeOf is the artifact of an image, in the region that it was made in.
func madeOf(builder, region string, img types.Image, base op.Values) artifact.Artifact {
	labels := lateLabels(base)
	labels["ami_name"] = aws.ToString(img.Name)
	a := artifact.Artifact{Builder: builder, Arch: goArch(img.Architecture), Labels: labels}
	return withPlaces(a, []artifact.Place{{Name: region, ID: aws.ToString(img.ImageId)}})
}

// createImage makes the image, with its tags from the start.
func (i *ebsInstance) createImage(ctx context.Context) (string, error) {
	c := i.cloud
	i.env.Log.Say("Creating AMI " + i.name + " from instance " + i.id)
	image, snapshot := c.tags().of(i.values)
	in := &ec2.CreateImageInput{
		InstanceId: &i.id, Name: &i.name, BlockDeviceMappings: i.imageDisks(c.disks.AMIBlockDevices),
		TagSpecifications: append(tagSpec(types.ResourceTypeImage, image, i.marks), tagSpec(types.ResourceTypeSnapshot, snapshot, i.marks)...),
	}
	if d := i.values.Text(c.ami.Description); d != "" {
		in.Description = &d
	}
	id, err := i.makeImage(ctx, func(ctx context.Context) (*string, error) {
		out, err := i.r.EC2.CreateImage(ctx, in)
		if err != nil {
			return nil, err
		}
		return out.ImageId, nil
	})
	if hasCode(err, "IncorrectInstanceState") {
		if why := i.Ended(ctx); why != nil {
			err = why
		}
	}
	return id, i.r.explain(ctx, "create the image "+i.name, err)
}

// makeImage makes an image of the build's name by a call that returns its id.
func (i *ebsInstance) makeImage(ctx context.Context, call func(ctx context.Context) (*string, error)) (string, error) {
	id, err := i.createNamed(ctx, kindImage, i.name, "InvalidAMIName.Duplicate", func(ctx context.Context) (string, error) {
		id, err := call(ctx)
		return aws.ToString(id), err
	})
	if hasCode(err, "InvalidAMIName.Duplicate") {
		err = nameTaken(i.name, i.r.Name, "an image that was made meanwhile")
	}
	return id, err
}

// finish waits until the image is available, and ends the instance as soon as
// the image's snapshots are under way. The image is the build's from then on,
// and no longer the session's.
func (i *ebsInstance) finish(ctx context.Context, id string) (types.Image, error) {
	i.env.Log.Say("AMI: " + id)
	i.env.Log.Say("Waiting for AMI to become ready...")
	var once sync.Once
	from := i.last()
	img, err := i.r.awaitSeen(ctx, id, i.patience(imageTime), func(img types.Image) {
		if i.env.Hold || !underWay(img, from) {
			return
		}
		once.Do(func() {
			i.ends.Go(func() {
				outlive, cancel := machine.Outlive(ctx)
				defer cancel()
				if err := i.terminate(outlive); err != nil {
					i.env.Log.Warn(err.Error())
				}
			})
		})
	})
	if err == nil {
		i.release(id, nil)
		i.bases.Store(id, img)
	}
	return img, err
}

// underWay reports whether all volumes that the image has from the instance
// have their snapshots, which from then on need neither volume nor instance.
// Volumes that are only described (ami_block_device_mappings) never get one.
func underWay(img types.Image, from types.Instance) bool {
	own := map[string]bool{}
	for _, m := range from.BlockDeviceMappings {
		own[aws.ToString(m.DeviceName)] = true
	}
	root := false
	for _, m := range img.BlockDeviceMappings {
		if m.Ebs == nil {
			continue
		}
		name, snapshot := aws.ToString(m.DeviceName), aws.ToString(m.Ebs.SnapshotId) != ""
		if own[name] && !snapshot {
			return false
		}
		root = root || snapshot && name == aws.ToString(from.RootDeviceName)
	}
	return root
}

// imageDisks are the block devices of the image beside those of the instance,
// and what is different about those: the instance's volumes are removed with
// it, which need not hold for those of instances of the image.
func (i *ebsInstance) imageDisks(beside []BlockDevice) []types.BlockDeviceMapping {
	c := i.cloud
	out := mappings(beside, false)
	given := map[string]bool{}
	for _, m := range out {
		given[aws.ToString(m.DeviceName)] = true
		if m.Ebs != nil && m.Ebs.Encrypted == nil && c.ami.encrypts() {
			m.Ebs.Encrypted = aws.Bool(true)
			if k := c.ami.kmsKey(i.r.Name); k != "" {
				m.Ebs.KmsKeyId = &k
			}
		}
	}
	keep := func(name string, remove bool) {
		if !given[name] && !remove {
			out = append(out, types.BlockDeviceMapping{DeviceName: &name, Ebs: &types.EbsBlockDevice{DeleteOnTermination: aws.Bool(false)}})
		}
		given[name] = true
	}
	for _, d := range c.disks.LaunchBlockDevices {
		keep(d.DeviceName, d.DeleteOnTermination || d.NoDevice || d.VirtualName != "")
	}
	for _, m := range i.image.BlockDeviceMappings {
		keep(aws.ToString(m.DeviceName), m.Ebs == nil || aws.ToBool(m.Ebs.DeleteOnTermination))
	}
	if c.disks.NoEphemeral {
		for letter := 'c'; letter <= 'z'; letter++ {
			name := "/dev/sd" + string(letter)
			if !given[name] {
				out = append(out, types.BlockDeviceMapping{DeviceName: &name, NoDevice: aws.String("")})
			}
		}
	}
	return out
}

// stoppingTime is how long an instance may take to stop.
const stoppingTime = 10 * time.Minute

// halt stops the instance where something can be done only then; else EC2
// restarts it while it makes the image. With disable_stop_instance the last
// step has stopped it.
func (i *instance) halt(ctx context.Context, ami AMIConfig) error {
	stopped := func(now types.Instance) bool { return stateOf(now) == types.InstanceStateNameStopped }
	wait := func() error {
		_, err := i.r.awaitInstance(ctx, i.id, i.patience(stoppingTime), stopped)
		return err
	}
	ena := ami.ENASupport != nil && *ami.ENASupport != aws.ToBool(i.last().EnaSupport)
	switch {
	case i.run.DisableStopInstance, i.halted.Load():
		i.env.Log.Say("Waiting for the instance to stop...")
		if err := wait(); err != nil {
			return err
		}
	case !ena && !ami.SriovSupport:
		return nil
	default:
		i.env.Log.Say("Stopping the source instance...")
		if _, err := i.r.EC2.StopInstances(ctx, &ec2.StopInstancesInput{InstanceIds: []string{i.id}}); err != nil {
			return i.r.explain(ctx, "stop the instance "+i.id, err)
		}
		if err := wait(); err != nil {
			return err
		}
	}
	if ami.SriovSupport {
		i.env.Log.Say("Enabling Enhanced Networking (SR-IOV)...")
		if err := i.modify(ctx, &ec2.ModifyInstanceAttributeInput{InstanceId: &i.id, SriovNetSupport: &types.AttributeValue{Value: aws.String("simple")}}); err != nil {
			return err
		}
	}
	if ena {
		i.env.Log.Say(fmt.Sprintf("Setting Enhanced Networking (ENA) to %v...", *ami.ENASupport))
		return i.modify(ctx, &ec2.ModifyInstanceAttributeInput{InstanceId: &i.id, EnaSupport: &types.AttributeBooleanValue{Value: ami.ENASupport}})
	}
	return nil
}

func (i *instance) modify(ctx context.Context, in *ec2.ModifyInstanceAttributeInput) error {
	_, err := i.r.EC2.ModifyInstanceAttribute(ctx, in)
	return i.r.explain(ctx, "change the instance "+i.id, err)
}

// freeName removes the image that has the name, where force_deregister or
// -force says so.
func (i *ebsInstance) freeName(ctx context.Context) error {
	if i.old == nil {
		return nil
	}
	i.env.Log.Say("Deregistering the existing AMI " + aws.ToString(i.old.ImageId))
	return i.r.removeImage(ctx, *i.old, i.cloud.ami.ForceDeleteSnapshot)
}
