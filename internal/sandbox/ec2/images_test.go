package ec2

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/host"
)

func filters(pairs ...string) []types.Filter {
	var all []types.Filter
	for i := 0; i < len(pairs); i += 2 {
		all = append(all, types.Filter{Name: &pairs[i], Values: []string{pairs[i+1]}})
	}
	return all
}

// A filter for public images finds one that is as it says, always the same.
func TestCatalogue(t *testing.T) {
	t.Parallel()
	c := newCloud(t, func(o *Options) {
		o.Catalog = func() catalog.Catalog {
			return catalog.Catalog{
				{Match: "debian-12-*", Base: host.Base{Suite: "bookworm"}, User: "admin"},
				{Match: "al2023*", Base: host.Base{OCI: "example.com/al2023"}},
				{Match: "ami-0aaaaaaaaaaaaaaaa", Base: host.Base{Suite: "trixie"}},
			}
		}
	})
	find := func(in *sdk.DescribeImagesInput) []types.Image {
		t.Helper()
		return must[*sdk.DescribeImagesOutput](t)(c.DescribeImages(t.Context(), in)).Images
	}
	debian := &sdk.DescribeImagesInput{Owners: []string{"136693071363"},
		Filters: filters("name", "debian-12-amd64-*", "virtualization-type", "hvm", "root-device-type", "ebs", "architecture", "x86_64", "state", "available")}
	got := find(debian)
	if len(got) != 1 || *got[0].Name != "debian-12-amd64-20260101" || *got[0].OwnerId != "136693071363" {
		t.Fatalf("debian: %+v", got)
	}
	if red := find(&sdk.DescribeImagesInput{Owners: []string{"136693071363"},
		Filters: filters("name", "debian-12-*", "platform-details", "Red Hat Enterprise Linux")}); len(red) != 1 || *red[0].PlatformDetails != "Red Hat Enterprise Linux" {
		t.Errorf("by its platform: %+v", red)
	}
	if again := find(debian); *again[0].ImageId != *got[0].ImageId {
		t.Error("another image the second time")
	}
	for _, by := range [][]types.Filter{filters("image-id", *got[0].ImageId), filters("image-id", *got[0].ImageId, "state", "available")} {
		if one := find(&sdk.DescribeImagesInput{Filters: by}); len(one) != 1 {
			t.Error("not found by its id:", one)
		}
	}
	for name, in := range map[string]*sdk.DescribeImagesInput{
		"nothing in the catalogue": {Owners: []string{"amazon"}, Filters: filters("name", "windows-*")},
		"own images":               {Owners: []string{"self"}, Filters: filters("name", "debian-12-*")},
		"what no image is":         {Owners: []string{"amazon"}, Filters: filters("name", "al2023*", "state", "pending")},
	} {
		if all := find(in); len(all) != 0 {
			t.Errorf("%s: found %s", name, *all[0].Name)
		}
	}
	if _, err := c.DescribeImages(t.Context(), &sdk.DescribeImagesInput{ImageIds: []string{"ami-0bbbbbbbbbbbbbbbb"}}); code(err) != "InvalidAMIID.NotFound" {
		t.Error("an id that is not in the catalogue:", err)
	}
	if _, err := c.DescribeImages(t.Context(), &sdk.DescribeImagesInput{Filters: filters("colour", "red")}); code(err) != "InvalidParameterValue" {
		t.Error("a filter that there is not:", err)
	}
	i := c.run(func(in *sdk.RunInstancesInput) { in.ImageId = got[0].ImageId })
	if m := c.host.machine(*i.InstanceId); len(m.spec.Users) != 1 || m.spec.Users[0].Name != "admin" || m.spec.Layers[0] != "base-bookworm" {
		t.Errorf("machine: %+v", m.spec)
	}
}

// Copies are images of their own that share the layers, which go with the last.
func TestCopyImage(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t, func(o *Options) { o.Timing.Copy = time.Second }), t.Context()
	m := c.bake("web")
	west := c.in("eu-west-1")
	in := &sdk.CopyImageInput{SourceImageId: m.ImageId, SourceRegion: aws.String("us-east-1"), Name: aws.String("web"), Encrypted: aws.Bool(true),
		ClientToken: aws.String("token"), TagSpecifications: []types.TagSpecification{{ResourceType: "snapshot", Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}}}
	out := must[*sdk.CopyImageOutput](t)(west.CopyImage(ctx, in))
	if again := must[*sdk.CopyImageOutput](t)(west.CopyImage(ctx, in)); *again.ImageId != *out.ImageId {
		t.Error("the same token made two copies")
	}
	if _, err := west.CopyImage(ctx, &sdk.CopyImageInput{SourceImageId: out.ImageId, SourceRegion: aws.String("eu-west-1"), Name: aws.String("web")}); code(err) != "InvalidRequest" {
		t.Error("copied an image that is pending:", err)
	}
	img := c.available(west, *out.ImageId)
	ebs := img.BlockDeviceMappings[0].Ebs
	if !*ebs.Encrypted || *img.SourceImageId != *m.ImageId {
		t.Errorf("copy: %+v", img)
	}
	snaps := must[*sdk.DescribeSnapshotsOutput](t)(west.DescribeSnapshots(ctx, &sdk.DescribeSnapshotsInput{OwnerIds: []string{"self"}, Filters: filters("tag:a", "b")}))
	if len(snaps.Snapshots) != 1 || *snaps.Snapshots[0].SnapshotId != *ebs.SnapshotId || *snaps.Snapshots[0].KmsKeyId == "" {
		t.Errorf("snapshots: %+v", snaps.Snapshots)
	}
	drop := func(client *sdk.Client, id *string) {
		t.Helper()
		must[*sdk.DeregisterImageOutput](t)(client.DeregisterImage(ctx, &sdk.DeregisterImageInput{ImageId: id, DeleteAssociatedSnapshots: aws.Bool(true)}))
	}
	drop(c.Client, m.ImageId)
	run := must[*sdk.RunInstancesOutput](t)(west.RunInstances(ctx, runInput(func(in *sdk.RunInstancesInput) { in.ImageId = out.ImageId })))
	id := *run.Instances[0].InstanceId
	c.within("machine", func() bool { return c.host.machines[id] != nil })
	if got := c.host.machine(id).spec.Layers; !slices.Contains(got, "layer-1") {
		t.Error("layers:", got)
	}
	must[*sdk.TerminateInstancesOutput](t)(west.TerminateInstances(ctx, &sdk.TerminateInstancesInput{InstanceIds: []string{id}}))
	drop(west, out.ImageId)
	c.within("the layer goes", func() bool { return c.host.isRemoved("layer-1") })
	c.empty()
}

func TestImageAttributes(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	id := c.bake("web").ImageId
	must[*sdk.ModifyImageAttributeOutput](t)(c.ModifyImageAttribute(ctx, &sdk.ModifyImageAttributeInput{ImageId: id, LaunchPermission: &types.LaunchPermissionModifications{
		Add: []types.LaunchPermission{{UserId: aws.String("111122223333")}, {Group: "all"}, {OrganizationArn: aws.String("arn:aws:organizations::1:organization/o-1")}},
	}}))
	must[*sdk.ModifyImageAttributeOutput](t)(c.ModifyImageAttribute(ctx, &sdk.ModifyImageAttributeInput{ImageId: id, Attribute: aws.String("launchPermission"),
		OperationType: "remove", UserGroups: []string{"all"}}))
	must[*sdk.ModifyImageAttributeOutput](t)(c.ModifyImageAttribute(ctx, &sdk.ModifyImageAttributeInput{ImageId: id, ImdsSupport: &types.AttributeValue{Value: aws.String("v2.0")}}))
	perms := must[*sdk.DescribeImageAttributeOutput](t)(c.DescribeImageAttribute(ctx, &sdk.DescribeImageAttributeInput{ImageId: id, Attribute: "launchPermission"}))
	if len(perms.LaunchPermissions) != 2 {
		t.Errorf("permissions: %+v", perms.LaunchPermissions)
	}
	at := time.Now().Add(48 * time.Hour)
	must[*sdk.EnableImageDeprecationOutput](t)(c.EnableImageDeprecation(ctx, &sdk.EnableImageDeprecationInput{ImageId: id, DeprecateAt: &at}))
	must[*sdk.EnableImageDeregistrationProtectionOutput](t)(c.EnableImageDeregistrationProtection(ctx, &sdk.EnableImageDeregistrationProtectionInput{ImageId: id}))
	if _, err := c.DeregisterImage(ctx, &sdk.DeregisterImageInput{ImageId: id}); code(err) != "OperationNotPermitted" {
		t.Error("deregistered a protected image:", err)
	}
	must[*sdk.EnableFastLaunchOutput](t)(c.EnableFastLaunch(ctx, &sdk.EnableFastLaunchInput{ImageId: id, MaxParallelLaunches: aws.Int32(8)}))
	fast := must[*sdk.DescribeFastLaunchImagesOutput](t)(c.DescribeFastLaunchImages(ctx, &sdk.DescribeFastLaunchImagesInput{}))
	if len(fast.FastLaunchImages) != 1 || *fast.FastLaunchImages[0].MaxParallelLaunches != 8 || fast.FastLaunchImages[0].State != "enabled" {
		t.Errorf("fast launch: %+v", fast.FastLaunchImages)
	}
	m := c.available(c.Client, *id)
	if m.ImdsSupport != "v2.0" || *m.DeprecationTime != at.UTC().Truncate(time.Minute).Format(imageTime) || *m.DeregistrationProtection != "enabled-without-cooldown" {
		t.Errorf("image: %+v", m)
	}
	must[*sdk.ModifySnapshotAttributeOutput](t)(c.ModifySnapshotAttribute(ctx, &sdk.ModifySnapshotAttributeInput{SnapshotId: m.BlockDeviceMappings[0].Ebs.SnapshotId,
		CreateVolumePermission: &types.CreateVolumePermissionModifications{Add: []types.CreateVolumePermission{{UserId: aws.String("111122223333")}}}}))
	share := must[*sdk.DescribeSnapshotAttributeOutput](t)(c.DescribeSnapshotAttribute(ctx, &sdk.DescribeSnapshotAttributeInput{
		SnapshotId: m.BlockDeviceMappings[0].Ebs.SnapshotId, Attribute: "createVolumePermission"}))
	if len(share.CreateVolumePermissions) != 1 {
		t.Errorf("share: %+v", share.CreateVolumePermissions)
	}
}

// Data volumes have their disks in files, which snapshots copy.
func TestVolumes(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	i := c.run(func(in *sdk.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvdf"),
			Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(1), VolumeType: "gp3", DeleteOnTermination: aws.Bool(true)}}}
	})
	disk := c.host.machine(*i.InstanceId).spec.Disks
	if len(disk) != 1 || disk[0].Device != "/dev/xvdf" || disk[0].Size != 1<<30 {
		t.Fatalf("disks: %+v", disk)
	}
	put(t, disk[0].File, "data")
	out := must[*sdk.CreateImageOutput](t)(c.CreateImage(ctx, &sdk.CreateImageInput{InstanceId: i.InstanceId, Name: aws.String("web")}))
	m := c.available(c.Client, *out.ImageId)
	if len(m.BlockDeviceMappings) != 2 {
		t.Fatalf("devices: %+v", m.BlockDeviceMappings)
	}
	again := c.run(func(in *sdk.RunInstancesInput) { in.ImageId = m.ImageId })
	if got := read(t, c.host.machine(*again.InstanceId).spec.Disks[0].File, 4); got != "data" {
		t.Errorf("the image's data volume has %q", got)
	}
	zone := i.Placement.AvailabilityZone
	v := must[*sdk.CreateVolumeOutput](t)(c.CreateVolume(ctx, &sdk.CreateVolumeInput{AvailabilityZone: zone, Size: aws.Int32(2), VolumeType: "gp2"}))
	attach := &sdk.AttachVolumeInput{VolumeId: v.VolumeId, InstanceId: again.InstanceId, Device: aws.String("/dev/xvdg")}
	must[*sdk.StopInstancesOutput](t)(c.StopInstances(ctx, &sdk.StopInstancesInput{InstanceIds: []string{*again.InstanceId}}))
	c.wait(*again.InstanceId, "stopped")
	must[*sdk.AttachVolumeOutput](t)(c.AttachVolume(ctx, attach))
	if _, err := c.AttachVolume(ctx, attach); code(err) != "VolumeInUse" {
		t.Error("attached twice:", err)
	}
	must[*sdk.StartInstancesOutput](t)(c.StartInstances(ctx, &sdk.StartInstancesInput{InstanceIds: []string{*again.InstanceId}}))
	c.wait(*again.InstanceId, "running")
	if disks := c.host.machine(*again.InstanceId).spec.Disks; len(disks) != 2 {
		t.Errorf("disks: %+v", disks)
	}
	snaps := must[*sdk.CreateSnapshotsOutput](t)(c.CreateSnapshots(ctx, &sdk.CreateSnapshotsInput{InstanceSpecification: &types.InstanceSpecification{
		InstanceId: again.InstanceId, ExcludeBootVolume: aws.Bool(true)}}))
	if len(snaps.Snapshots) != 2 {
		t.Errorf("snapshots: %+v", snaps.Snapshots)
	}
	c.terminate(*again.InstanceId)
	c.terminate(*i.InstanceId)
	must[*sdk.DeleteVolumeOutput](t)(c.DeleteVolume(ctx, &sdk.DeleteVolumeInput{VolumeId: v.VolumeId}))
	must[*sdk.DeregisterImageOutput](t)(c.DeregisterImage(ctx, &sdk.DeregisterImageInput{ImageId: m.ImageId, DeleteAssociatedSnapshots: aws.Bool(true)}))
	for _, s := range snaps.Snapshots {
		must[*sdk.DeleteSnapshotOutput](t)(c.DeleteSnapshot(ctx, &sdk.DeleteSnapshotInput{SnapshotId: s.SnapshotId}))
	}
	c.empty()
	if left := files(t, c.server.Dir); !slices.Equal(left, []string{"ec2.json"}) {
		t.Error("files left:", left)
	}
}

// The volumes of a stopped instance change places: what was a data volume is
// the root of the image.
func TestSwapRoot(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	i := c.run(func(in *sdk.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvdf"), Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(9), VolumeType: "gp3"}}}
	})
	id := *i.InstanceId
	must[*sdk.StopInstancesOutput](t)(c.StopInstances(ctx, &sdk.StopInstancesInput{InstanceIds: []string{id}}))
	c.wait(id, "stopped")
	volumes := map[string]*string{}
	for _, d := range i.BlockDeviceMappings {
		volumes[*d.DeviceName] = d.Ebs.VolumeId
		must[*sdk.DetachVolumeOutput](t)(c.DetachVolume(ctx, &sdk.DetachVolumeInput{VolumeId: d.Ebs.VolumeId}))
	}
	for _, v := range volumes {
		for {
			out := must[*sdk.DescribeVolumesOutput](t)(c.DescribeVolumes(ctx, &sdk.DescribeVolumesInput{VolumeIds: []string{*v}}))
			if out.Volumes[0].State == types.VolumeStateAvailable {
				break
			}
			again(t)
		}
	}
	if _, err := c.StartInstances(ctx, &sdk.StartInstancesInput{InstanceIds: []string{id}}); code(err) != "IncorrectInstanceState" {
		t.Error("started without a root volume:", err)
	}
	attach := func(volume *string) {
		t.Helper()
		must[*sdk.AttachVolumeOutput](t)(c.AttachVolume(ctx, &sdk.AttachVolumeInput{VolumeId: volume, InstanceId: &id, Device: aws.String("/dev/xvda")}))
	}
	attach(volumes["/dev/xvdf"])
	out := must[*sdk.CreateImageOutput](t)(c.CreateImage(ctx, &sdk.CreateImageInput{InstanceId: &id, Name: aws.String("swapped")}))
	m := c.available(c.Client, *out.ImageId)
	if len(m.BlockDeviceMappings) != 1 || *m.BlockDeviceMappings[0].Ebs.VolumeSize != 9 {
		t.Errorf("devices: %+v", m.BlockDeviceMappings)
	}
	must[*sdk.DetachVolumeOutput](t)(c.DetachVolume(ctx, &sdk.DetachVolumeInput{VolumeId: volumes["/dev/xvdf"]}))
	for len(c.wait(id, "stopped").BlockDeviceMappings) > 0 {
		again(t)
	}
	attach(volumes["/dev/xvda"])
	must[*sdk.StartInstancesOutput](t)(c.StartInstances(ctx, &sdk.StartInstancesInput{InstanceIds: []string{id}}))
	c.wait(id, "running")
	if got := c.host.machine(id).spec.Layers; !slices.Equal(got, []host.LayerID{"base-bookworm", "layer-1"}) {
		t.Error("layers:", got)
	}
}
