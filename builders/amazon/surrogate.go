package amazon

import (
	"context"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/winrm"
)

// TypeSurrogate is the name of the builder in a template.
const TypeSurrogate = "amazon-ebssurrogate"

// DefinitionSurrogate lists the builder.
func DefinitionSurrogate() builders.Definition {
	return builders.Definition{Type: TypeSurrogate, New: func() builders.Config {
		return &SurrogateConfig{Config: ssh.Defaults(), RunConfig: RunDefaults(), RegisterConfig: RegisterConfig{Architecture: "x86_64"}}
	}}
}

// SurrogateConfig is a source of an image made from volumes that an instance
// fills: it is launched from source_ami with further volumes, and one of these
// becomes the root device of the new image.
type SurrogateConfig struct {
	AccessConfig
	RunConfig
	NetworkConfig
	SpotConfig
	AMIConfig
	SurrogateDisks
	RegisterConfig
	ssh.Config
	winrm.Options
	ssh.KeyPair
}

// SurrogateDisks are the block devices of the instance and of the image.
type SurrogateDisks struct {
	// LaunchBlockDevices are volumes of the instance beside the source image's.
	// The image gets them too.
	LaunchBlockDevices []SurrogateDevice `hcl:"launch_block_device_mappings,block" key:"disk"`
	// AMIBlockDevices are block devices of the image beside those of
	// launch_block_device_mappings.
	AMIBlockDevices []BlockDevice `hcl:"ami_block_device_mappings,block" key:"disk"`
	// RootDevice says which volume of the instance becomes the root device.
	RootDevice RootDevice `hcl:"ami_root_device,block" key:"disk"`
}

// SurrogateDevice is a block device of the instance.
type SurrogateDevice struct {
	BlockDevice
	// OmitFromArtifact leaves the volume out of the image. Default false.
	OmitFromArtifact bool `hcl:"omit_from_artifact,optional"`
}

// RootDevice is the root device of the image.
type RootDevice struct {
	// SourceDeviceName is the device of launch_block_device_mappings that
	// becomes the root device, e.g. "/dev/xvdf".
	SourceDeviceName string `hcl:"source_device_name,optional"`
	// DeviceName is the name of the root device in the image, e.g. "/dev/xvda".
	DeviceName string `hcl:"device_name,optional"`
	// DeleteOnTermination removes the root volume when an instance of the image
	// is terminated. Default false.
	DeleteOnTermination bool `hcl:"delete_on_termination,optional"`
	// IOPS is how many operations a second the root volume is made for.
	IOPS *int `hcl:"iops,optional"`
	// VolumeType is the type of the root volume. Default: the source device's.
	VolumeType string `hcl:"volume_type,optional"`
	// VolumeSize is the size of the root volume, in GiB. Default: the source
	// device's.
	VolumeSize int `hcl:"volume_size,optional"`
}

// RegisterConfig says how the image is registered.
type RegisterConfig struct {
	// Architecture is the architecture of the image: "x86_64", "arm64", "i386",
	// "x86_64_mac" or "arm64_mac". Default "x86_64".
	Architecture string `hcl:"ami_architecture,optional" key:"disk"`
	// BootMode is how the image boots: "legacy-bios", "uefi" or
	// "uefi-preferred". Default: as the type of instance does.
	BootMode string `hcl:"boot_mode,optional" key:"disk"`
	// UefiData is the non-volatile UEFI variable store of the image, in base64.
	UefiData string `hcl:"uefi_data,optional" key:"disk"`
	// TpmSupport is "v2.0" for an image with NitroTPM. It needs boot_mode uefi.
	TpmSupport string `hcl:"tpm_support,optional" key:"disk"`
	// UseCreateImage swaps the root device of the instance for the volume and
	// makes the image of the instance, so that the image keeps what the source
	// image has: product codes, boot mode, architecture. Default false.
	UseCreateImage bool `hcl:"use_create_image,optional" key:"disk"`
	// SnapshotDescription is the description of the snapshots.
	SnapshotDescription string `hcl:"snapshot_description,optional"`
	// SkipAMIRunTags does not give run_tags to the image. Default false.
	SkipAMIRunTags bool `hcl:"skip_ami_run_tags,optional"`
}

// Open checks the options.
func (c *SurrogateConfig) Open(h builders.Host) (builders.Builder, error) {
	for _, check := range []func() error{c.CheckAMI, c.CheckDisks, c.CheckRegister} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	s, err := openSource(h, c.AccessConfig, c.RunConfig, c.NetworkConfig, c.SpotConfig, plainDevices(c.LaunchBlockDevices), c.Config, c.Options, c.KeyPair)
	if err != nil {
		return nil, err
	}
	// What is asked of the image is not asked of the source image.
	ami := c.AMIConfig
	ami.VirtualizationType, ami.ENASupport, ami.SriovSupport = "", nil, false
	cloud := &surrogate{
		ebs: &ebs{source: s, ami: ami, disks: c.createDisks(), capture: CaptureConfig{SkipAMIRunTags: c.SkipAMIRunTags}},
		ami: c.AMIConfig, disks: c.SurrogateDisks, register: c.RegisterConfig,
	}
	return distributed{Builder: s.builder(cloud), distribution: distribution{from: s, ami: c.AMIConfig, tags: cloud.tags()}}, nil
}

// surrogate is the cloud of amazon-ebssurrogate.
type surrogate struct {
	*ebs
	ami      AMIConfig
	disks    SurrogateDisks
	register RegisterConfig
}

// Launch starts an instance.
func (c *surrogate) Launch(ctx context.Context, base builders.Base, env builders.Env) (machine.Machine, error) {
	m, err := c.ebs.Launch(ctx, base, env)
	if err != nil {
		return nil, err
	}
	return &surrogateInstance{ebsInstance: m.(*ebsInstance), cloud: c}, nil
}

func plainDevices(list []SurrogateDevice) []BlockDevice {
	var out []BlockDevice
	for _, d := range list {
		out = append(out, d.BlockDevice)
	}
	return out
}

// createDisks are the block devices of an image that EC2 makes of the instance,
// once the volume is its root device.
func (c *SurrogateConfig) createDisks() DiskConfig {
	root := c.RootDevice
	d := DiskConfig{AMIBlockDevices: append([]BlockDevice{{DeviceName: root.DeviceName, DeleteOnTermination: root.DeleteOnTermination,
		IOPS: root.IOPS, VolumeType: root.VolumeType, VolumeSize: root.VolumeSize}}, c.AMIBlockDevices...)}
	for _, l := range c.LaunchBlockDevices {
		switch {
		case l.DeviceName == root.SourceDeviceName:
		case l.OmitFromArtifact:
			d.AMIBlockDevices = append(d.AMIBlockDevices, BlockDevice{DeviceName: l.DeviceName, NoDevice: true})
		default:
			d.LaunchBlockDevices = append(d.LaunchBlockDevices, l.BlockDevice)
		}
	}
	return d
}
