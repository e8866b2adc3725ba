// Package amazonimport is the post-processor "amazon-import": it makes an AMI of
// a disk image of this host.
package amazonimport

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/postprocessors"
)

// Config is the options of the post-processor.
type Config struct {
	amazon.AccessConfig

	// Bucket is the S3 bucket that the file is put into. It must be there, in the
	// region of the import.
	Bucket string `hcl:"s3_bucket_name"`
	// Key is the name of the object. Default "packer-import-", the time, some
	// letters and the format.
	Key string `hcl:"s3_key_name,optional" template:"late"`
	// Encryption is how S3 encrypts the object: "AES256" or "aws:kms". Default:
	// as the bucket says.
	Encryption string `hcl:"s3_encryption,optional"`
	// EncryptionKey is the KMS key of s3_encryption "aws:kms". Default: the
	// account's key for S3.
	EncryptionKey string `hcl:"s3_encryption_key,optional"`
	// SkipClean leaves the object in the bucket. Default false.
	SkipClean bool `hcl:"skip_clean,optional"`

	// Format is what the file is: "ova", "raw", "vmdk", "vhd" or "vhdx". It is the
	// one of the artifact's files with that extension. Default "ova".
	Format string `hcl:"format,optional"`
	// Architecture is "i386", "x86_64" or "arm64". Default "x86_64".
	Architecture string `hcl:"architecture,optional"`
	// BootMode is "legacy-bios", "uefi" or "uefi-preferred". Default: what AWS
	// finds, and "uefi" for arm64.
	BootMode string `hcl:"boot_mode,optional"`
	// Platform is "linux" or "windows". Default "linux".
	Platform string `hcl:"platform,optional"`
	// RoleName is the role that AWS imports with. Default "vmimport".
	RoleName string `hcl:"role_name,optional"`
	// LicenseType is "AWS" or "BYOL". Default: what AWS finds.
	LicenseType string `hcl:"license_type,optional"`

	// Name is the name of the AMI. The imported image is copied for it, and the
	// one with the name that AWS gave is removed. Default: that name.
	Name string `hcl:"ami_name,optional"`
	// Description is the description of the AMI.
	Description string `hcl:"ami_description,optional"`
	// Users are accounts that may launch the AMI.
	Users []string `hcl:"ami_users,optional"`
	// Groups are groups that may launch the AMI; "all" makes it public.
	Groups []string `hcl:"ami_groups,optional"`
	// OrgARNs are organizations that may launch the AMI.
	OrgARNs []string `hcl:"ami_org_arns,optional"`
	// OuARNs are organizational units that may launch the AMI.
	OuARNs []string `hcl:"ami_ou_arns,optional"`
	// Encrypt encrypts the snapshots of the AMI. Default false.
	Encrypt bool `hcl:"ami_encrypt,optional"`
	// KMSKey is the key that ami_encrypt encrypts with. Default: the account's
	// key for volumes.
	KMSKey string `hcl:"ami_kms_key,optional"`
	// IMDSSupport is "v2.0" for an AMI whose instances serve only IMDSv2 unless
	// they are told otherwise.
	IMDSSupport string `hcl:"imds_support,optional"`
	// Tags are the tags of the AMI and its snapshots.
	Tags map[string]string `hcl:"tags,optional"`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "amazon-import", New: func() postprocessors.Processor {
		return &Config{Format: "ova", Architecture: "x86_64", Platform: "linux"}
	}}
}

// Check looks at the options. It asks no service.
func (c *Config) Check(in postprocessors.Input) error {
	if c.Bucket == "" {
		return component.Errorf("s3_bucket_name", "must not be empty")
	}
	for _, o := range []struct {
		name, value string
		known       []string
	}{
		{"format", c.Format, formats()},
		{"s3_encryption", c.Encryption, []string{"", "AES256", "aws:kms"}},
		{"architecture", c.Architecture, []string{"i386", "x86_64", "arm64"}},
		{"boot_mode", c.BootMode, []string{"", "legacy-bios", "uefi", "uefi-preferred"}},
		{"platform", c.Platform, []string{"linux", "windows"}},
		{"license_type", c.LicenseType, []string{"", "AWS", "BYOL"}},
	} {
		if !slices.Contains(o.known, o.value) {
			known := slices.DeleteFunc(slices.Clone(o.known), func(s string) bool { return s == "" })
			return component.Errorf(o.name, "%q is not one of %s", o.value, strings.Join(known, ", "))
		}
	}
	switch {
	case c.EncryptionKey != "" && c.Encryption != "aws:kms":
		return component.Errorf("s3_encryption_key", `needs s3_encryption = "aws:kms"`)
	case c.KMSKey != "" && !c.Encrypt:
		return component.Errorf("ami_kms_key", "needs ami_encrypt = true")
	case c.Architecture == "arm64" && c.BootMode == "legacy-bios":
		return component.Errorf("boot_mode", "arm64 boots with uefi only")
	}
	if c.Key != "" {
		if _, err := in.Render(c.Key, nil); err != nil {
			return component.Errorf("s3_key_name", "%v", err)
		}
	}
	if err := c.checkImage(); err != nil {
		return err
	}
	return c.CheckAccess()
}

func formats() []string { return []string{"ova", "raw", "vmdk", "vhd", "vhdx"} }

// checkImage checks what the image is to be as the builders do, which need a
// name.
func (c *Config) checkImage() error {
	image := c.image()
	if image.Name == "" {
		image.Name = "import"
	}
	err := image.CheckAMI()
	var wrong *component.OptionError
	if errors.As(err, &wrong) && wrong.Option == "encrypt_boot" { // as the builders call it
		wrong.Option = "ami_encrypt"
		wrong.Advice = strings.ReplaceAll(wrong.Advice, "kms_key_id", "ami_kms_key")
	}
	return err
}

func (c *Config) image() amazon.AMIConfig {
	image := amazon.AMIConfig{Name: c.Name, Description: c.Description, Users: c.Users, Groups: c.Groups, OrgARNs: c.OrgARNs,
		OuARNs: c.OuARNs, IMDSSupport: c.IMDSSupport, Tags: c.Tags, KMSKeyID: c.KMSKey}
	if c.Encrypt {
		image.EncryptBoot = &c.Encrypt
	}
	return image
}

// Process imports the file. An image that an earlier run has made of it, and
// could not finish, is finished.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	file, err := c.file(in)
	if err != nil {
		return postprocessors.Result{}, err
	}
	name, err := c.object(in)
	if err != nil {
		return postprocessors.Result{}, err
	}
	access, err := c.Open(in.Host)
	if err != nil {
		return postprocessors.Result{}, err
	}
	boot := c.BootMode
	if boot == "" && c.Architecture == "arm64" {
		boot = "uefi"
	}
	made, err := access.Import(ctx, amazon.DiskImage{
		File: file, Format: c.Format, Bucket: c.Bucket, Key: name,
		Encryption: c.Encryption, EncryptionKey: c.EncryptionKey, KeepObject: c.SkipClean,
		Arch: c.Architecture, BootMode: boot, Platform: c.Platform, Role: c.RoleName, License: c.LicenseType,
		Encrypt: c.Encrypt, KMSKey: c.KMSKey, AMI: c.image(),
	}, builders.Env{RunID: in.RunID, Build: in.Build, Log: in.Log, Journal: in.Journal, Force: in.Force})
	if err != nil {
		return postprocessors.Result{}, err
	}
	made.Labels = in.Artifact.Labels
	return postprocessors.Result{Artifact: made}, nil
}

// Exists reports whether the AMI is still there.
func (c *Config) Exists(ctx context.Context, in postprocessors.Input, a artifact.Artifact) (bool, error) {
	access, err := c.Open(in.Host)
	if err != nil {
		return false, err
	}
	return access.Exists(ctx, a)
}

// file returns the path of the artifact's file of the format.
func (c *Config) file(in postprocessors.Input) (string, error) {
	var found []string
	for _, f := range in.Artifact.Files {
		if strings.EqualFold(filepath.Ext(f.Path), "."+c.Format) {
			found = append(found, f.Path)
		}
	}
	switch {
	case len(found) == 0:
		return "", builders.WithHint(fmt.Errorf("the artifact has no file that ends with .%s", c.Format),
			`set format to what the file is, and name it so; the post-processor "artifice" makes an artifact of a file`)
	case len(found) > 1:
		return "", fmt.Errorf("the artifact has %d files that end with .%s: %s", len(found), c.Format, strings.Join(found, ", "))
	}
	path := in.Path(found[0])
	st, err := os.Stat(path)
	if err == nil && !st.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", found[0])
	}
	return path, err
}

// object returns the name of the object in the bucket. Without a given one it is
// one that no other build has.
func (c *Config) object(in postprocessors.Input) (string, error) {
	if c.Key == "" {
		return fmt.Sprintf("packer-import-%d-%s.%s", time.Now().Unix(), strings.ToLower(rand.Text())[:8], c.Format), nil
	}
	name, err := in.Render(c.Key, nil)
	if err == nil && name == "" {
		err = errors.New("is empty")
	}
	if err != nil {
		return "", component.Errorf("s3_key_name", "%v", err)
	}
	return name, nil
}
