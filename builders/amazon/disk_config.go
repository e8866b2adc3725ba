package amazon

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/internal/component"
)

// DiskConfig are the block devices of the image and of the instance it is made
// from.
type DiskConfig struct {
	// AMIBlockDevices are the block devices of the image, beside those of the
	// instance.
	AMIBlockDevices []BlockDevice `hcl:"ami_block_device_mappings,block" key:"disk"`
	// LaunchBlockDevices are block devices of the instance, in place of the
	// source image's. The image gets them too.
	LaunchBlockDevices []BlockDevice `hcl:"launch_block_device_mappings,block" key:"disk"`
	// NoEphemeral keeps the instance's own disks (instance store) out of the
	// image, so that /dev/sdc to /dev/sdz are free. Default false.
	NoEphemeral bool `hcl:"no_ephemeral,optional" key:"disk"`
}

// BlockDevice is a block device of an image or an instance.
type BlockDevice struct {
	// DeviceName is the name of the device, e.g. "/dev/xvda".
	DeviceName string `hcl:"device_name,optional"`
	// VolumeType is the type of the volume: "gp3", "gp2", "io1", "io2", "st1",
	// "sc1" or "standard". Default: the source image's.
	VolumeType string `hcl:"volume_type,optional"`
	// VolumeSize is the size of the volume, in GiB. Default: the source
	// image's or the snapshot's.
	VolumeSize int `hcl:"volume_size,optional"`
	// DeleteOnTermination removes the volume when an instance of the image is
	// terminated. Default false. What was made for the build is removed anyway.
	DeleteOnTermination bool `hcl:"delete_on_termination,optional"`
	// Encrypted encrypts the volume, or does not. Default: the snapshot's, or as
	// the account says.
	Encrypted *bool `hcl:"encrypted,optional"`
	// KMSKeyID is the key that the volume is encrypted with. It needs
	// encrypted. Default: the account's key for volumes.
	KMSKeyID string `hcl:"kms_key_id,optional"`
	// IOPS is how many operations a second the volume is made for: io1, io2 and
	// gp3.
	IOPS *int `hcl:"iops,optional"`
	// Throughput is how much the volume moves, in MiB a second: gp3 only.
	Throughput *int `hcl:"throughput,optional"`
	// SnapshotID is the snapshot that the volume is made of.
	SnapshotID string `hcl:"snapshot_id,optional"`
	// NoDevice leaves out a device of the source image. Default false.
	NoDevice bool `hcl:"no_device,optional"`
	// VirtualName is the name of an instance's own disk: "ephemeral0" …
	VirtualName string `hcl:"virtual_name,optional"`
}

// Check checks the options of a device of the list called option.
func (d BlockDevice) Check(option string) error {
	fail := func(format string, args ...any) error {
		e := component.Errorf(option, d.DeviceName+": "+format, args...)
		return e
	}
	size := d.VolumeSize
	switch {
	case d.DeviceName == "":
		return component.Errorf(option, "device_name is missing")
	case d.NoDevice || d.VirtualName != "":
		return nil
	case size < 0 || size > 65536:
		return fail("volume_size is %d GiB: it must be between 1 and 65536", size)
	case d.KMSKeyID != "" && (d.Encrypted == nil || !*d.Encrypted):
		return fail("kms_key_id needs encrypted = true")
	}
	switch d.VolumeType {
	case "", "gp2", "gp3", "io1", "io2", "st1", "sc1", "standard":
	default:
		return fail("volume_type %q is not one of gp3, gp2, io1, io2, st1, sc1, standard", d.VolumeType)
	}
	return d.checkSpeed(fail)
}

// checkSpeed checks iops and throughput against the limits of the volume's
// type, as EC2's page on volume types has them.
func (d BlockDevice) checkSpeed(fail func(string, ...any) error) error {
	if t := d.Throughput; t != nil {
		switch {
		case d.VolumeType != "gp3":
			return fail("throughput is for gp3 volumes only")
		case *t < 125 || *t > 2000:
			return fail("throughput is %d MiB/s: it must be between 125 and 2000", *t)
		}
	}
	n := d.IOPS
	if n == nil {
		if d.VolumeType == "io1" || d.VolumeType == "io2" {
			return fail("iops is missing: %s volumes need it", d.VolumeType)
		}
		return nil
	}
	limits := map[string][3]int{"io1": {100, 64000, 50}, "io2": {100, 256000, 1000}, "gp3": {3000, 80000, 500}}
	l, ok := limits[d.VolumeType]
	switch {
	case !ok:
		return fail("iops is for io1, io2 and gp3 volumes only")
	case *n < l[0] || *n > l[1]:
		return fail("iops is %d: it must be between %d and %d for %s", *n, l[0], l[1], d.VolumeType)
	case d.VolumeSize > 0 && *n > l[2]*d.VolumeSize && *n > l[0]:
		return fail("iops is %d: a %s volume of %d GiB takes at most %d", *n, d.VolumeType, d.VolumeSize, max(l[0], l[2]*d.VolumeSize))
	}
	return nil
}

// CheckDisks checks the options.
func (c DiskConfig) CheckDisks() error {
	for _, l := range []struct {
		option string
		list   []BlockDevice
	}{{"ami_block_device_mappings", c.AMIBlockDevices}, {"launch_block_device_mappings", c.LaunchBlockDevices}} {
		seen := map[string]bool{}
		for _, d := range l.list {
			if err := d.Check(l.option); err != nil {
				return err
			}
			if seen[d.DeviceName] {
				return component.Errorf(l.option, "%s is there twice", d.DeviceName)
			}
			seen[d.DeviceName] = true
		}
	}
	return nil
}

// mapping returns the device as EC2 takes it. A volume of the instance is
// always removed with it, whatever the image says: temporary says so.
func (d BlockDevice) mapping(temporary bool) types.BlockDeviceMapping {
	m := types.BlockDeviceMapping{DeviceName: aws.String(d.DeviceName)}
	switch {
	case d.NoDevice:
		m.NoDevice = aws.String("")
		return m
	case d.VirtualName != "":
		m.VirtualName = aws.String(d.VirtualName)
		return m
	}
	e := &types.EbsBlockDevice{DeleteOnTermination: aws.Bool(d.DeleteOnTermination || temporary), Encrypted: d.Encrypted}
	if d.VolumeType != "" {
		e.VolumeType = types.VolumeType(d.VolumeType)
	}
	if d.VolumeSize > 0 {
		e.VolumeSize = aws.Int32(int32(d.VolumeSize)) //nolint:gosec // at most 65536
	}
	if d.IOPS != nil {
		e.Iops = aws.Int32(int32(*d.IOPS)) //nolint:gosec // at most 256000
	}
	if d.Throughput != nil {
		e.Throughput = aws.Int32(int32(*d.Throughput)) //nolint:gosec // at most 2000
	}
	if d.SnapshotID != "" {
		e.SnapshotId = aws.String(d.SnapshotID)
		e.Encrypted = nil // the snapshot's, which EC2 does not take again
		if d.Encrypted != nil && *d.Encrypted {
			e.Encrypted = d.Encrypted
		}
	}
	if d.KMSKeyID != "" {
		e.KmsKeyId = aws.String(d.KMSKeyID)
	}
	m.Ebs = e
	return m
}

func mappings(list []BlockDevice, temporary bool) []types.BlockDeviceMapping {
	var out []types.BlockDeviceMapping
	for _, d := range list {
		out = append(out, d.mapping(temporary))
	}
	return out
}
