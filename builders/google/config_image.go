package google

import "github.com/ingot-build/ingot/internal/secret"

// DiskOptions describe the disks of the instance.
type DiskOptions struct {
	// DiskName is the name of the boot disk. Default: the instance's.
	DiskName string `hcl:"disk_name,optional"`
	// DiskSize is the size of the boot disk in GB. Default 20.
	DiskSize int64 `hcl:"disk_size,optional" key:"disk"`
	// DiskType is the type of the boot disk: "pd-ssd", "hyperdisk-balanced" …
	// Default "pd-standard".
	DiskType string `hcl:"disk_type,optional"`
	// DiskEncryptionKey is the key that the boot disk is encrypted with.
	// Default: one of Google's.
	DiskEncryptionKey *EncryptionKey `hcl:"disk_encryption_key,block"`
	// DiskAttachment are further disks.
	DiskAttachment []DiskAttachment `hcl:"disk_attachment,block"`
}

// EncryptionKey is a key of the customer. One of its options is needed.
type EncryptionKey struct {
	// KMSKeyName is the name of a key in Cloud KMS.
	KMSKeyName string `hcl:"kmsKeyName,optional"`
	// RawKey is a key of 256 bits, in base64.
	RawKey secret.String `hcl:"rawKey,optional"`
}

// DiskAttachment is a disk beside the boot disk.
type DiskAttachment struct {
	// VolumeType is the type of the disk: "scratch" (a local SSD),
	// "pd-standard", "pd-balanced", "pd-ssd", "pd-extreme",
	// "hyperdisk-balanced", "hyperdisk-extreme", "hyperdisk-ml" or
	// "hyperdisk-throughput". Needed, unless source_volume is set.
	VolumeType string `hcl:"volume_type,optional"`
	// VolumeSize is its size in GB. Needed, unless source_volume is set.
	VolumeSize int64 `hcl:"volume_size,optional" key:"disk"`
	// AttachmentMode is "READ_WRITE" or "READ_ONLY". Default "READ_WRITE".
	AttachmentMode string `hcl:"attachment_mode,optional"`
	// CreateImage makes the image of this disk instead of the boot disk. Only
	// one disk can have it. Default false.
	CreateImage bool `hcl:"create_image,optional" key:"disk"`
	// DeviceName is the disk's name in /dev/disk/by-id/google-*.
	DeviceName string `hcl:"device_name,optional"`
	// DiskName is the name of the disk. Default: one that is made up.
	DiskName string `hcl:"disk_name,optional"`
	// DiskEncryptionKey is the key that the disk is encrypted with.
	DiskEncryptionKey *EncryptionKey `hcl:"disk_encryption_key,block"`
	// InterfaceType is "SCSI" or "NVME". Default "SCSI".
	InterfaceType string `hcl:"interface_type,optional"`
	// IOPS are the input and output operations a second to provide, for
	// pd-extreme and Hyperdisk.
	IOPS int64 `hcl:"iops,optional"`
	// KeepDevice leaves the disk when the build is over, but not that of a test.
	// Default false.
	KeepDevice bool `hcl:"keep_device,optional"`
	// ReplicaZones are other zones that the disk is replicated to.
	ReplicaZones []string `hcl:"replica_zones,optional"`
	// SourceVolume is the URL of a disk that exists, to be attached. It stays
	// when the build is over. Machines of tests do not have it.
	SourceVolume string `hcl:"source_volume,optional" key:"disk"`
	// SourceImage is the URL of an image that the disk is made from. Default:
	// the disk is empty.
	SourceImage string `hcl:"source_image,optional" key:"disk" image:"googlecompute"`
}

// ImageOptions describe the image.
type ImageOptions struct {
	// SkipCreateImage makes no image: for trying a template. Default false.
	SkipCreateImage bool `hcl:"skip_create_image,optional"`
	// ImageName is the name of the image, which must not be in use, unless
	// -force is given: then the image of that name is deleted first. Default
	// "packer-" and the time in seconds.
	ImageName string `hcl:"image_name,optional"`
	// ImageFamily is the family that the image belongs to.
	ImageFamily string `hcl:"image_family,optional"`
	// ImageDescription is the description of the image. Default "Created by
	// ingot".
	ImageDescription string `hcl:"image_description,optional"`
	// ImageLabels are labels of the image.
	ImageLabels map[string]string `hcl:"image_labels,optional"`
	// ImageLicenses are the URLs of licenses of the image, beside those that
	// the disk brings along.
	ImageLicenses []string `hcl:"image_licenses,optional" key:"disk"`
	// ImageArchitecture is "x86_64" or "arm64". Default: the source image's.
	ImageArchitecture string `hcl:"image_architecture,optional" key:"disk"`
	// ImageGuestOSFeatures are features of the image's system:
	// "UEFI_COMPATIBLE", "GVNIC" …
	ImageGuestOSFeatures []string `hcl:"image_guest_os_features,optional" key:"disk"`
	// ImageProjectID is the project to make the image in. Default project_id.
	ImageProjectID string `hcl:"image_project_id,optional"`
	// ImageEncryptionKey is the key that the image is encrypted with.
	ImageEncryptionKey *EncryptionKey `hcl:"image_encryption_key,block" key:"disk"`
	// ImageStorageLocations is where the image is stored: one region or
	// multi-region. Default: one near the disk.
	ImageStorageLocations []string `hcl:"image_storage_locations,optional" key:"disk"`
	// ImagePlatformKey is a file with the platform key (PK) of Secure Boot.
	ImagePlatformKey string `hcl:"image_platform_key,optional" key:"file"`
	// ImageKeyExchangeKey are files with key exchange keys (KEK).
	ImageKeyExchangeKey []string `hcl:"image_key_exchange_key,optional" key:"file"`
	// ImageSignaturesDB are files with certificates of software that may boot
	// (db). It makes the image UEFI_COMPATIBLE.
	ImageSignaturesDB []string `hcl:"image_signatures_db,optional" key:"file"`
	// ImageForbiddenSignaturesDB are files with certificates of software that
	// must not boot (dbx).
	ImageForbiddenSignaturesDB []string `hcl:"image_forbidden_signatures_db,optional" key:"file"`
	// DeprecateAt is when the image counts as deprecated: a time as of RFC
	// 3339, in the future.
	DeprecateAt string `hcl:"deprecate_at,optional"`
	// ObsoleteAt is when the image counts as obsolete.
	ObsoleteAt string `hcl:"obsolete_at,optional"`
	// DeleteAt is when the image counts as one to be deleted, which Google
	// Cloud does not do by itself.
	DeleteAt string `hcl:"delete_at,optional"`
}
