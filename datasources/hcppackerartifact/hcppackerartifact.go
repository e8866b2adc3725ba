// Package hcppackerartifact is the data source of an artifact of a version, in
// one place.
package hcppackerartifact

import (
	"context"

	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/datasources/hcppacker"
	"github.com/ingot-build/ingot/internal/component"
)

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "hcp-packer-artifact",
		New: func() datasources.Config { return &Config{} }, Output: &Output{}}
}

// Config says which artifact is wanted. It is looked up in the registry that
// the template publishes to: nothing is asked of HCP.
type Config struct {
	// BucketName is the bucket of the version.
	BucketName string `hcl:"bucket_name"`
	// ChannelName is the channel that points to the version. Either it or
	// version_fingerprint is set.
	ChannelName string `hcl:"channel_name,optional"`
	// VersionFingerprint is the fingerprint of the version, or its name.
	VersionFingerprint string `hcl:"version_fingerprint,optional"`
	// Platform is where the artifact is used: "aws", "gce", "docker", or the
	// type of its builder.
	Platform string `hcl:"platform"`
	// Region is where it is: a region of AWS; the zone, region or project of a
	// Google image; "docker" for a container's image.
	Region string `hcl:"region"`
	// ComponentType is the build that made it, as in "amazon-ebs.web". Default:
	// the first one.
	ComponentType string `hcl:"component_type,optional"`
}

// Output is the artifact.
type Output struct {
	// Platform is the platform that was asked for.
	Platform string `cty:"platform"`
	// ComponentType is the build that made it, as in "amazon-ebs.web".
	ComponentType string `cty:"component_type"`
	// CreatedAt is when it was made, as in "2006-01-02T15:04:05.000Z".
	CreatedAt string `cty:"created_at"`
	// BuildID is the key of the build.
	BuildID string `cty:"build_id"`
	// VersionID is the digest of the version.
	VersionID string `cty:"version_id"`
	// ChannelID is channel_name.
	ChannelID string `cty:"channel_id"`
	// PackerRunUUID is the id of the run that made it.
	PackerRunUUID string `cty:"packer_run_uuid"`
	// ExternalIdentifier is what it is called in its place: an AMI's id, an
	// image's name. A container's image is a reference with its digest, which
	// image of the docker builder takes; where the registry is a folder, it is
	// what oci_layout takes.
	ExternalIdentifier string `cty:"external_identifier"`
	// Region is the region that was asked for.
	Region string `cty:"region"`
	// Labels are the labels of the version and of the artifact.
	Labels map[string]string `cty:"labels"`
}

// Check checks the options.
func (c *Config) Check() error {
	if err := hcppacker.Bucket("bucket_name", c.BucketName); err != nil {
		return err
	}
	if err := hcppacker.OneOf("channel_name", c.ChannelName, "version_fingerprint", c.VersionFingerprint); err != nil {
		return err
	}
	switch {
	case c.Platform == "":
		return component.Errorf("platform", "is empty")
	case c.Region == "":
		return component.Errorf("region", "is empty")
	case c.ChannelName != "":
		return hcppacker.Channel("channel_name", c.ChannelName)
	}
	return nil
}

// Read looks the artifact up.
func (c *Config) Read(ctx context.Context, in datasources.Input) (any, error) {
	v, r, err := hcppacker.Find(ctx, in, hcppacker.Query{Bucket: c.BucketName, Channel: c.ChannelName, Fingerprint: c.VersionFingerprint})
	if err != nil {
		return nil, err
	}
	a, err := hcppacker.Select(r, v, c.Platform, c.Region, c.ComponentType)
	if err != nil {
		return nil, err
	}
	a.Found(in, v)
	return Output{Platform: a.Platform, ComponentType: a.ComponentType, CreatedAt: hcppacker.Time(a.Record.Created), BuildID: string(a.Record.Key),
		VersionID: v.Digest, ChannelID: c.ChannelName, PackerRunUUID: a.Record.RunID,
		ExternalIdentifier: a.ID, Region: a.Region, Labels: a.Labels}, nil
}
