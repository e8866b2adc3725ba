package amazon

import (
	"encoding/base64"
	"slices"

	"github.com/ingot-build/ingot/internal/component"
)

// CheckDisks checks the options.
func (c SurrogateDisks) CheckDisks() error {
	if err := (DiskConfig{AMIBlockDevices: c.AMIBlockDevices, LaunchBlockDevices: plainDevices(c.LaunchBlockDevices)}).CheckDisks(); err != nil {
		return err
	}
	root := c.RootDevice
	switch {
	case root.SourceDeviceName == "":
		return component.Errorf("ami_root_device.source_device_name", "is missing")
	case root.DeviceName == "":
		return component.Errorf("ami_root_device.device_name", "is missing")
	}
	i := slices.IndexFunc(c.LaunchBlockDevices, func(d SurrogateDevice) bool { return d.DeviceName == root.SourceDeviceName })
	if i < 0 {
		return advise("ami_root_device.source_device_name", root.SourceDeviceName+" is no device of launch_block_device_mappings",
			"add a block launch_block_device_mappings with this device_name")
	}
	from := c.LaunchBlockDevices[i]
	switch {
	case from.OmitFromArtifact:
		return component.Errorf("ami_root_device.source_device_name", "%s is left out of the image by omit_from_artifact", root.SourceDeviceName)
	case from.NoDevice || from.VirtualName != "":
		return component.Errorf("ami_root_device.source_device_name", "%s is no volume", root.SourceDeviceName)
	case root.VolumeSize != 0 && from.VolumeSize > root.VolumeSize:
		return component.Errorf("ami_root_device.volume_size", "%d GiB is less than the %d GiB of %s", root.VolumeSize, from.VolumeSize, root.SourceDeviceName)
	}
	taken := slices.ContainsFunc(c.LaunchBlockDevices, func(d SurrogateDevice) bool {
		return d.DeviceName == root.DeviceName && d.DeviceName != root.SourceDeviceName && !d.OmitFromArtifact && !d.NoDevice
	})
	if taken {
		return component.Errorf("ami_root_device.device_name", "%s is another device of launch_block_device_mappings", root.DeviceName)
	}
	return c.rootDevice(from.BlockDevice).Check("ami_root_device")
}

// rootDevice is the root device of the image, made of a volume.
func (c SurrogateDisks) rootDevice(from BlockDevice) BlockDevice {
	root := c.RootDevice
	from.DeviceName, from.DeleteOnTermination = root.DeviceName, root.DeleteOnTermination
	if root.VolumeType != "" && root.VolumeType != from.VolumeType {
		from.VolumeType, from.IOPS, from.Throughput = root.VolumeType, nil, nil
	}
	if root.IOPS != nil {
		from.IOPS = root.IOPS
	}
	if root.VolumeSize != 0 {
		from.VolumeSize = root.VolumeSize
	}
	return from
}

// CheckRegister checks the options.
func (c RegisterConfig) CheckRegister() error {
	if err := oneOf("ami_architecture", c.Architecture, "x86_64", "arm64", "i386", "x86_64_mac", "arm64_mac"); err != nil {
		return err
	}
	if err := oneOf("boot_mode", c.BootMode, "legacy-bios", "uefi", "uefi-preferred"); err != nil {
		return err
	}
	if err := oneOf("tpm_support", c.TpmSupport, "v2.0"); err != nil {
		return err
	}
	if c.TpmSupport != "" && c.BootMode != "uefi" {
		return component.Errorf("tpm_support", `needs boot_mode = "uefi"`)
	}
	if _, err := base64.StdEncoding.DecodeString(c.UefiData); err != nil {
		return component.Errorf("uefi_data", "is not in base64: %v", err)
	}
	if len(c.SnapshotDescription) > 255 {
		return component.Errorf("snapshot_description", "is longer than 255 letters")
	}
	if !c.UseCreateImage {
		return nil
	}
	for _, o := range []struct{ name, value string }{
		{"boot_mode", c.BootMode}, {"uefi_data", c.UefiData}, {"tpm_support", c.TpmSupport}, {"snapshot_description", c.SnapshotDescription},
	} {
		if o.value != "" {
			return advise(o.name, "is set together with use_create_image: the image then has what the instance has", "leave out one of them")
		}
	}
	if c.Architecture != "" && c.Architecture != "x86_64" {
		return advise("ami_architecture", "is set together with use_create_image: the image then has that of the instance", "leave out one of them")
	}
	return nil
}
