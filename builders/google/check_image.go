package google

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
)

func volumeTypes() []string {
	return []string{scratch, "pd-standard", "pd-balanced", "pd-ssd", "pd-extreme",
		"hyperdisk-balanced", "hyperdisk-extreme", "hyperdisk-ml", "hyperdisk-throughput"}
}

// scratch is a local SSD.
const scratch = "scratch"

func (c *Config) checkDisks() error {
	if c.DiskName != "" && !nameForm.MatchString(c.DiskName) {
		return badName("disk_name", c.DiskName)
	}
	if c.DiskSize < 1 {
		return component.Errorf("disk_size", "must be at least 1 GB")
	}
	if err := checkKey("disk_encryption_key", c.DiskEncryptionKey); err != nil {
		return err
	}
	imaged := false
	for i := range c.DiskAttachment {
		d := &c.DiskAttachment[i]
		if err := d.check(); err != nil {
			return err
		}
		if d.CreateImage && imaged {
			return component.Errorf("disk_attachment.create_image", "is set for two disks: one image is made")
		}
		imaged = imaged || d.CreateImage
	}
	return nil
}

func (d *DiskAttachment) check() error {
	at := func(option, format string, args ...any) error {
		return component.Errorf("disk_attachment."+option, format, args...)
	}
	d.AttachmentMode, d.InterfaceType = strings.ToUpper(d.AttachmentMode), strings.ToUpper(d.InterfaceType)
	if !slices.Contains([]string{"", "READ_WRITE", "READ_ONLY"}, d.AttachmentMode) {
		return at("attachment_mode", "%q is not one of READ_WRITE, READ_ONLY", d.AttachmentMode)
	}
	if !slices.Contains([]string{"", "SCSI", "NVME"}, d.InterfaceType) {
		return at("interface_type", "%q is not one of SCSI, NVME", d.InterfaceType)
	}
	if d.SourceVolume != "" {
		if d.VolumeType != "" || d.VolumeSize != 0 || d.DiskName != "" || d.IOPS != 0 || d.SourceImage != "" || len(d.ReplicaZones) > 0 {
			return at("source_volume", "names a disk that exists: volume_type, volume_size, disk_name, iops, source_image and replica_zones are for new ones")
		}
		return checkKey("disk_attachment.disk_encryption_key", d.DiskEncryptionKey)
	}
	switch {
	case d.VolumeType == "":
		return at("volume_type", "is missing")
	case !slices.Contains(volumeTypes(), d.VolumeType):
		return at("volume_type", "%q is not one of %s", d.VolumeType, strings.Join(volumeTypes(), ", "))
	case d.VolumeSize < 1:
		return at("volume_size", "is missing, or not positive")
	case d.IOPS != 0 && d.VolumeType != "pd-extreme" && !strings.HasPrefix(d.VolumeType, "hyperdisk-"):
		return at("iops", "can be set for pd-extreme and Hyperdisk")
	case d.DiskName != "" && !nameForm.MatchString(d.DiskName):
		return badName("disk_attachment.disk_name", d.DiskName)
	}
	if d.VolumeType == scratch && (d.KeepDevice || d.CreateImage || d.DiskName != "" || d.DeviceName != "" ||
		d.SourceImage != "" || len(d.ReplicaZones) > 0 || d.DiskEncryptionKey != nil) {
		return at("volume_type", "a scratch disk goes with the instance: keep_device, create_image, disk_name, device_name, source_image, replica_zones and disk_encryption_key are not for it")
	}
	return checkKey("disk_attachment.disk_encryption_key", d.DiskEncryptionKey)
}

func (c *Config) checkImage(dir string) error {
	if c.ImageProjectID == "" {
		c.ImageProjectID = c.ProjectID
	}
	if c.ImageName == "" {
		c.ImageName = defaultImageName(time.Now())
	}
	return c.CheckImage(dir)
}

// CheckImage checks what the image is to be. It looks for the files of its keys
// below dir.
func (c *ImageOptions) CheckImage(dir string) error {
	if !nameForm.MatchString(c.ImageName) {
		return badName("image_name", c.ImageName)
	}
	if c.ImageFamily != "" && !nameForm.MatchString(c.ImageFamily) {
		return badName("image_family", c.ImageFamily)
	}
	if err := checkLabels("image_labels", c.ImageLabels); err != nil {
		return err
	}
	c.ImageArchitecture = strings.ToUpper(c.ImageArchitecture)
	if !slices.Contains([]string{"", "X86_64", "ARM64"}, c.ImageArchitecture) {
		return component.Errorf("image_architecture", "%q is not one of x86_64, arm64", c.ImageArchitecture)
	}
	if len(c.ImageStorageLocations) > 1 {
		return component.Errorf("image_storage_locations", "takes one region or multi-region")
	}
	if err := checkKey("image_encryption_key", c.ImageEncryptionKey); err != nil {
		return err
	}
	now := time.Now()
	for option, text := range map[string]string{"deprecate_at": c.DeprecateAt, "obsolete_at": c.ObsoleteAt, "delete_at": c.DeleteAt} {
		if err := checkTime(option, text, now); err != nil {
			return err
		}
	}
	for option, files := range map[string][]string{
		"image_platform_key": oneOf(c.ImagePlatformKey), "image_key_exchange_key": c.ImageKeyExchangeKey,
		"image_signatures_db": c.ImageSignaturesDB, "image_forbidden_signatures_db": c.ImageForbiddenSignaturesDB,
	} {
		for _, file := range files {
			if _, err := os.Stat(hostfile.Path(dir, file)); err != nil {
				return component.Errorf(option, "%v", err)
			}
		}
	}
	return nil
}

// oneOf is a list of text, empty where there is none.
func oneOf(text string) []string {
	if text == "" {
		return nil
	}
	return []string{text}
}
