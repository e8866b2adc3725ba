// Package hcppackerimage is the data source of an artifact of a version, by the
// names of before there was hcp-packer-artifact.
package hcppackerimage

import (
	"context"

	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/datasources/hcppacker"
	"github.com/ingot-build/ingot/internal/component"
)

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "hcp-packer-image",
		New: func() datasources.Config { return &Config{} }, Output: &Output{}}
}

// Config says which artifact is wanted. hcp-packer-artifact is the newer name
// of this data source.
type Config struct {
	// BucketName is the bucket of the version.
	BucketName string `hcl:"bucket_name"`
	// Channel is the channel that points to the version. Either it or
	// iteration_id is set.
	Channel string `hcl:"channel,optional"`
	// IterationID is the id that hcp-packer-iteration gives: the name of the
	// version.
	IterationID string `hcl:"iteration_id,optional"`
	// CloudProvider is where the artifact is used: "aws", "gce", "docker", or
	// the type of its builder.
	CloudProvider string `hcl:"cloud_provider"`
	// Region is where it is: a region of AWS; the zone, region or project of a
	// Google image; "docker" for a container's image.
	Region string `hcl:"region"`
	// ComponentType is the build that made it, as in "amazon-ebs.web". Default:
	// the first one.
	ComponentType string `hcl:"component_type,optional"`
}

// Output is the artifact.
type Output struct {
	// CloudProvider is the platform that was asked for.
	CloudProvider string `cty:"cloud_provider"`
	// ComponentType is the build that made it, as in "amazon-ebs.web".
	ComponentType string `cty:"component_type"`
	// CreatedAt is when it was made, as in "2006-01-02T15:04:05.000Z".
	CreatedAt string `cty:"created_at"`
	// BuildID is the key of the build.
	BuildID string `cty:"build_id"`
	// IterationID is the name of the version.
	IterationID string `cty:"iteration_id"`
	// ChannelID is channel.
	ChannelID string `cty:"channel_id"`
	// PackerRunUUID is the id of the run that made it.
	PackerRunUUID string `cty:"packer_run_uuid"`
	// ID is what it is called in its place: external_identifier of
	// hcp-packer-artifact.
	ID string `cty:"id"`
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
	if err := hcppacker.OneOf("channel", c.Channel, "iteration_id", c.IterationID); err != nil {
		return err
	}
	switch {
	case c.CloudProvider == "":
		return component.Errorf("cloud_provider", "is empty")
	case c.Region == "":
		return component.Errorf("region", "is empty")
	case c.Channel != "":
		return hcppacker.Channel("channel", c.Channel)
	}
	return nil
}

// Read looks the artifact up.
func (c *Config) Read(ctx context.Context, in datasources.Input) (any, error) {
	v, r, err := hcppacker.Find(ctx, in, hcppacker.Query{Bucket: c.BucketName, Channel: c.Channel, Fingerprint: c.IterationID})
	if err != nil {
		return nil, err
	}
	a, err := hcppacker.Select(r, v, c.CloudProvider, c.Region, c.ComponentType)
	if err != nil {
		return nil, err
	}
	a.Found(in, v)
	return Output{CloudProvider: a.Platform, ComponentType: a.ComponentType, CreatedAt: hcppacker.Time(a.Record.Created), BuildID: string(a.Record.Key),
		IterationID: v.Name, ChannelID: c.Channel, PackerRunUUID: a.Record.RunID,
		ID: a.ID, Region: a.Region, Labels: a.Labels}, nil
}
