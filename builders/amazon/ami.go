package amazon

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/component"
)

// AMIConfig is the image to be made: its name, where it goes and who may use it.
type AMIConfig struct {
	// Name is the name of the image, 3 to 128 letters. No other image of the
	// account in the region may have it.
	Name string `hcl:"ami_name"`
	// Description is the description of the image.
	Description string `hcl:"ami_description,optional"`
	// VirtualizationType is what the source image must have: "hvm" or
	// "paravirtual". Default: any.
	VirtualizationType string `hcl:"ami_virtualization_type,optional" key:"disk"`
	// Users are accounts that may launch the image.
	Users []string `hcl:"ami_users,optional"`
	// Groups are groups that may launch the image; "all" makes it public.
	Groups []string `hcl:"ami_groups,optional"`
	// OrgARNs are organizations that may launch the image.
	OrgARNs []string `hcl:"ami_org_arns,optional"`
	// OuARNs are organizational units that may launch the image.
	OuARNs []string `hcl:"ami_ou_arns,optional"`
	// ProductCodes are product codes of the image.
	ProductCodes []string `hcl:"ami_product_codes,optional"`
	// Regions are the regions that the image is copied to, beside the one it is
	// made in.
	Regions []string `hcl:"ami_regions,optional"`
	// SkipRegionValidation does not look whether the regions exist and are
	// enabled. Default false.
	SkipRegionValidation bool `hcl:"skip_region_validation,optional"`
	// SkipSaveBuildRegion removes the image from the region it was made in, once
	// it was copied to ami_regions. Default false.
	SkipSaveBuildRegion bool `hcl:"skip_save_build_region,optional"`
	// SnapshotCopyDurationMinutes is how long a copy may take, in minutes, 15
	// to 2880 and a multiple of 15: AWS then guarantees it, for money. Default:
	// no guarantee.
	SnapshotCopyDurationMinutes int `hcl:"snapshot_copy_duration_minutes,optional"`

	// Tags are the tags of the image and its snapshots.
	Tags map[string]string `hcl:"tags,optional"`
	// Tag is one of tags, as a block.
	Tag []Tag `hcl:"tag,block"`
	// SnapshotTags are further tags of the snapshots; they win over tags.
	SnapshotTags map[string]string `hcl:"snapshot_tags,optional"`
	// SnapshotTag is one of snapshot_tags, as a block.
	SnapshotTag []Tag `hcl:"snapshot_tag,block"`
	// SnapshotUsers are accounts that may make volumes of the snapshots.
	SnapshotUsers []string `hcl:"snapshot_users,optional"`
	// SnapshotGroups are groups that may make volumes of the snapshots; "all"
	// makes them public.
	SnapshotGroups []string `hcl:"snapshot_groups,optional"`

	// ENASupport says that the image supports enhanced networking with ENA.
	// Default: as the source image says.
	ENASupport *bool `hcl:"ena_support,optional" key:"disk"`
	// SriovSupport says that the image supports enhanced networking with Intel's
	// virtual functions. Default false.
	SriovSupport bool `hcl:"sriov_support,optional" key:"disk"`
	// ForceDeregister deregisters an image that has the name already. Default
	// false.
	ForceDeregister bool `hcl:"force_deregister,optional"`
	// ForceDeleteSnapshot deletes the snapshots of the image that
	// force_deregister removes. Default false.
	ForceDeleteSnapshot bool `hcl:"force_delete_snapshot,optional"`

	// EncryptBoot encrypts all volumes of the image. Default: as the source
	// image, or as the account says.
	EncryptBoot *bool `hcl:"encrypt_boot,optional" key:"disk"`
	// KMSKeyID is the key that encrypt_boot encrypts with in the region of the
	// build. Default: the account's key for volumes.
	KMSKeyID string `hcl:"kms_key_id,optional" key:"disk"`
	// RegionKMSKeyIDs are the keys that copies are encrypted with, by region; ""
	// is that region's default key.
	RegionKMSKeyIDs map[string]string `hcl:"region_kms_key_ids,optional"`

	// IMDSSupport is "v2.0" for an image whose instances serve only IMDSv2
	// unless they are told otherwise.
	IMDSSupport string `hcl:"imds_support,optional"`
	// DeprecateAt is when the image is deprecated, e.g. "2030-01-02T15:04:05Z".
	DeprecateAt string `hcl:"deprecate_at,optional"`
	// DeregistrationProtection keeps the image from being deregistered.
	DeregistrationProtection *DeregistrationProtection `hcl:"deregistration_protection,block"`
}

// DeregistrationProtection keeps an image from being deregistered.
type DeregistrationProtection struct {
	// Enabled turns it on. Default false.
	Enabled bool `hcl:"enabled,optional"`
	// WithCooldown keeps it for 24 hours after it was turned off. Default false.
	WithCooldown bool `hcl:"with_cooldown,optional"`
}

var namePattern = regexp.MustCompile(`^[a-zA-Z0-9 ()\[\]./'@_-]*$`)

// CheckAMI checks the options.
func (c AMIConfig) CheckAMI() error {
	switch n := len([]rune(c.Name)); {
	case c.Name == "":
		return component.Errorf("ami_name", "is empty")
	case strings.Contains(c.Name, "\u27e6"): // holds a value that is known only later
	case n < 3 || n > 128:
		return component.Errorf("ami_name", "%q has %d letters: it must have 3 to 128", c.Name, n)
	case !namePattern.MatchString(c.Name):
		e := component.Errorf("ami_name", "%q has characters that EC2 does not take", c.Name)
		e.Advice = `it takes letters, digits, spaces and ()[]./-'@_; in a template "{{ clean_resource_name … }}" replaces others`
		return e
	}
	if len(c.Description) > 255 {
		return component.Errorf("ami_description", "is longer than 255 letters")
	}
	if _, ok := c.sharedWith(); ok && c.encrypts() && c.KMSKeyID == "" && len(c.RegionKMSKeyIDs) == 0 {
		e := component.Errorf("encrypt_boot", "with the account's default key, the image can't be shared with others")
		e.Advice = "set kms_key_id to a key that they may use"
		return e
	}
	if v := c.VirtualizationType; v != "" && v != "hvm" && v != "paravirtual" {
		return component.Errorf("ami_virtualization_type", "%q is not one of hvm, paravirtual", v)
	}
	if v := c.IMDSSupport; v != "" && v != "v2.0" {
		return component.Errorf("imds_support", `%q is not "v2.0"`, v)
	}
	if c.SriovSupport && c.VirtualizationType == "paravirtual" {
		return component.Errorf("sriov_support", "needs an image with virtualization hvm")
	}
	if c.DeprecateAt != "" {
		if _, err := time.Parse(time.RFC3339, c.DeprecateAt); err != nil {
			return component.Errorf("deprecate_at", "%q is not a time such as 2030-01-02T15:04:05Z", c.DeprecateAt)
		}
	}
	if err := checkTags("tags", "tag", c.Tags, c.Tag); err != nil {
		return err
	}
	if err := checkTags("snapshot_tags", "snapshot_tag", c.SnapshotTags, c.SnapshotTag); err != nil {
		return err
	}
	if d := c.SnapshotCopyDurationMinutes; d != 0 && (d < 15 || d > 2880 || d%15 != 0) {
		return component.Errorf("snapshot_copy_duration_minutes", "%d is not a multiple of 15 between 15 and 2880", d)
	}
	return c.checkPlaces()
}

// checkPlaces checks what goes where.
func (c AMIConfig) checkPlaces() error {
	if c.KMSKeyID != "" && !c.encrypts() {
		return component.Errorf("kms_key_id", "needs encrypt_boot = true")
	}
	if c.SkipSaveBuildRegion && len(c.Regions) == 0 {
		return component.Errorf("skip_save_build_region", "needs ami_regions: the image would be nowhere")
	}
	if slices.Contains(c.Groups, "all") && c.encrypts() {
		return component.Errorf("ami_groups", "an encrypted image can't be public")
	}
	for _, l := range []struct {
		option string
		groups []string
	}{{"ami_groups", c.Groups}, {"snapshot_groups", c.SnapshotGroups}} {
		for _, g := range l.groups {
			if g != "all" {
				return component.Errorf(l.option, `%q is not a group: the only one is "all"`, g)
			}
		}
	}
	option, shared := c.sharedWith()
	for region, id := range c.RegionKMSKeyIDs {
		if shared && id == "" {
			return component.Errorf("region_kms_key_ids", "the default key of %s can't be shared with those of %s: name a key", region, option)
		}
	}
	if len(c.RegionKMSKeyIDs) > 0 {
		for _, region := range c.Regions {
			if _, ok := c.RegionKMSKeyIDs[region]; !ok {
				return component.Errorf("region_kms_key_ids", `has no key for %s, which is in ami_regions; "" is the region's default key`, region)
			}
		}
	}
	return nil
}

func (c AMIConfig) encrypts() bool { return c.EncryptBoot != nil && *c.EncryptBoot }

// sharedWith returns the option that shares the image with other accounts.
func (c AMIConfig) sharedWith() (option string, ok bool) {
	switch {
	case len(c.Users) > 0:
		return "ami_users", true
	case len(c.OrgARNs) > 0:
		return "ami_org_arns", true
	case len(c.OuARNs) > 0:
		return "ami_ou_arns", true
	case len(c.SnapshotUsers) > 0:
		return "snapshot_users", true
	}
	return "", false
}
