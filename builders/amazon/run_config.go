package amazon

import (
	"time"
)

// RunConfig says which image to start from and how the instance runs.
type RunConfig struct {
	// SourceAMI is the id of the image to start from. Either it or
	// source_ami_filter is needed. It may be the image of another build:
	// build.[NAME.]TYPE.NAME.id.
	SourceAMI string `hcl:"source_ami,optional" image:"amazon-ebs amazon-ebssurrogate"`
	// SourceAMIFilter finds the image to start from.
	SourceAMIFilter *AMIFilter `hcl:"source_ami_filter,block"`
	// InstanceType is the type of the instance, e.g. "t3.micro". Either it or
	// spot_instance_types is needed.
	InstanceType string `hcl:"instance_type,optional"`

	// UserData is what the instance gets at its first boot.
	UserData string `hcl:"user_data,optional" key:"disk"`
	// UserDataFile is a file with the user data.
	UserDataFile string `hcl:"user_data_file,optional" key:"file"`
	// MaxLifetime is after how long the instance ends by itself, should ingot
	// not come to end it, and after how long ingot sweep counts as left over
	// what this build made. It takes effect on the instance where no user data
	// is given. "0" is never. Default 24h.
	MaxLifetime time.Duration `hcl:"max_lifetime,optional"`

	// IAMInstanceProfile is the name of the instance profile of the instance.
	IAMInstanceProfile string `hcl:"iam_instance_profile,optional"`
	// SkipProfileValidation does not look whether iam_instance_profile exists.
	// Default false.
	SkipProfileValidation bool `hcl:"skip_profile_validation,optional"`
	// TemporaryPolicy makes a role and an instance profile with this policy for
	// the build, and removes them afterwards.
	TemporaryPolicy *PolicyDocument `hcl:"temporary_iam_instance_profile_policy_document,block"`

	// RunTags are the tags of the instance, its network interfaces and what is
	// made for it; the image gets them too.
	RunTags map[string]string `hcl:"run_tags,optional"`
	// RunTag is one of run_tags, as a block.
	RunTag []Tag `hcl:"run_tag,block"`
	// RunVolumeTags are the tags of the instance's volumes.
	RunVolumeTags map[string]string `hcl:"run_volume_tags,optional"`
	// RunVolumeTag is one of run_volume_tags, as a block.
	RunVolumeTag []Tag `hcl:"run_volume_tag,block"`

	// ShutdownBehavior is what becomes of an instance that shuts itself down:
	// "stop" or "terminate". Default: "terminate", so that nothing is left of
	// one that ends by itself; "stop" with disable_stop_instance or without
	// max_lifetime.
	ShutdownBehavior string `hcl:"shutdown_behavior,optional"`
	// DisableStopInstance leaves it to the last step to stop the instance: the
	// image is made once it has stopped. Default false.
	DisableStopInstance bool `hcl:"disable_stop_instance,optional"`

	// EBSOptimized gives the instance bandwidth of its own to its volumes.
	// Default false.
	EBSOptimized bool `hcl:"ebs_optimized,optional"`
	// EnableNitroEnclave lets the instance run enclaves. Default false.
	EnableNitroEnclave bool `hcl:"enable_nitro_enclave,optional"`
	// EnableUnlimitedCredits lets a burstable instance (t2, t3 …) go on at full
	// speed, for money. Default false.
	EnableUnlimitedCredits bool `hcl:"enable_unlimited_credits,optional"`
	// EnableT2Unlimited is another name for enable_unlimited_credits.
	EnableT2Unlimited bool `hcl:"enable_t2_unlimited,optional"`

	// CapacityReservationPreference is "open" or "none": whether the instance
	// may use a capacity reservation that fits. Default: the account's.
	CapacityReservationPreference string `hcl:"capacity_reservation_preference,optional"`
	// CapacityReservationID is the capacity reservation to use.
	CapacityReservationID string `hcl:"capacity_reservation_id,optional"`
	// CapacityReservationGroupARN is the group of capacity reservations to use.
	CapacityReservationGroupARN string `hcl:"capacity_reservation_group_arn,optional"`

	// Placement says on which hosts the instance runs.
	Placement *Placement `hcl:"placement,block"`
	// Tenancy is another name for placement.tenancy.
	Tenancy string `hcl:"tenancy,optional"`
	// LicenseSpecifications are licenses that the instance uses.
	LicenseSpecifications []LicenseSpecification `hcl:"license_specifications,block"`
	// MetadataOptions say how the instance's metadata is reached.
	MetadataOptions *MetadataOptions `hcl:"metadata_options,block"`

	// WindowsPasswordTimeout is how long to wait until EC2 knows the password
	// of a Windows instance, where winrm_password is not set. Default 20m.
	WindowsPasswordTimeout time.Duration `hcl:"windows_password_timeout,optional"`
}

// AMIFilter finds an image.
type AMIFilter struct {
	// Filters are the filters of DescribeImages, e.g. name = "debian-12-amd64-*".
	Filters map[string]string `hcl:"filters,optional" image:"- source_ami"`
	// Owners are whose images count: account ids, "self", "amazon",
	// "aws-marketplace". At least one is needed.
	Owners []string `hcl:"owners,optional" image:"- source_ami"`
	// MostRecent takes the newest where several match. Default false.
	MostRecent bool `hcl:"most_recent,optional"`
	// IncludeDeprecated takes deprecated images too. Default false.
	IncludeDeprecated bool `hcl:"include_deprecated,optional"`
}

// PolicyDocument is an IAM policy.
type PolicyDocument struct {
	// Version is the version of the policy language. Default "2012-10-17".
	Version string `hcl:"Version,optional" json:"Version"`
	// Statement are what is allowed and denied.
	Statement []Statement `hcl:"Statement,block" json:"Statement"`
}

// Statement is one statement of an IAM policy.
type Statement struct {
	// Effect is "Allow" or "Deny".
	Effect string `hcl:"Effect,optional" json:"Effect"`
	// Action are the actions, e.g. "s3:GetObject".
	Action []string `hcl:"Action,optional" json:"Action"`
	// Resource are the resources, as ARNs.
	Resource []string `hcl:"Resource,optional" json:"Resource,omitempty"`
}

// Placement says on which hosts an instance runs.
type Placement struct {
	// HostResourceGroupARN is the group of dedicated hosts to run on.
	HostResourceGroupARN string `hcl:"host_resource_group_arn,optional"`
	// HostID is the dedicated host to run on.
	HostID string `hcl:"host_id,optional"`
	// Tenancy is "default", "dedicated" or "host".
	Tenancy string `hcl:"tenancy,optional"`
}

// LicenseSpecification is a license that an instance uses.
type LicenseSpecification struct {
	// Request names the license.
	Request LicenseRequest `hcl:"license_configuration_request,block"`
}

// LicenseRequest names a license.
type LicenseRequest struct {
	// ARN is the ARN of the license configuration.
	ARN string `hcl:"license_configuration_arn,optional"`
}

// MetadataOptions say how an instance's metadata is reached.
type MetadataOptions struct {
	// HTTPEndpoint is "enabled" or "disabled". Default "enabled".
	HTTPEndpoint string `hcl:"http_endpoint,optional"`
	// HTTPTokens is "optional" or "required": whether only IMDSv2 is served.
	// Default: the image's or the account's.
	HTTPTokens string `hcl:"http_tokens,optional"`
	// HTTPPutResponseHopLimit is how many hops an answer may go, 1 to 64.
	// Default: the image's or the account's.
	HTTPPutResponseHopLimit int `hcl:"http_put_response_hop_limit,optional"`
	// InstanceMetadataTags is "enabled" or "disabled": whether the tags are in
	// the metadata. Default "disabled".
	InstanceMetadataTags string `hcl:"instance_metadata_tags,optional"`
}
