// Package hcppackerversion is the data source of the version that a channel
// points to.
package hcppackerversion

import (
	"context"

	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/datasources/hcppacker"
	"github.com/ingot-build/ingot/internal/registry"
)

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "hcp-packer-version",
		New: func() datasources.Config { return &Config{} }, Output: &Output{}}
}

// Config says which version is wanted. It is looked up in the registry that
// the template publishes to: nothing is asked of HCP.
type Config struct {
	// BucketName is the bucket of the version.
	BucketName string `hcl:"bucket_name"`
	// ChannelName is the channel that points to it.
	ChannelName string `hcl:"channel_name"`
}

// Output is the version.
type Output struct {
	// AuthorID is the user who published it.
	AuthorID string `cty:"author_id"`
	// BucketName is its bucket.
	BucketName string `cty:"bucket_name"`
	// Status is "VERSION_ACTIVE".
	Status string `cty:"status"`
	// CreatedAt is when it was published, as in "2006-01-02T15:04:05.000Z".
	CreatedAt string `cty:"created_at"`
	// Fingerprint is what HCP_PACKER_BUILD_FINGERPRINT said to the run that
	// published it, else the id of that run.
	Fingerprint string `cty:"fingerprint"`
	// ID is the digest of the version.
	ID string `cty:"id"`
	// Name is its name.
	Name string `cty:"name"`
	// UpdatedAt is when it was published: it does not change afterwards.
	UpdatedAt string `cty:"updated_at"`
	// ChannelID is the name of the channel.
	ChannelID string `cty:"channel_id"`
}

// Check checks the options.
func (c *Config) Check() error {
	if err := hcppacker.Bucket("bucket_name", c.BucketName); err != nil {
		return err
	}
	return hcppacker.Channel("channel_name", c.ChannelName)
}

// Read looks the version up.
func (c *Config) Read(ctx context.Context, in datasources.Input) (any, error) {
	v, _, err := hcppacker.Find(ctx, in, hcppacker.Query{Bucket: c.BucketName, Channel: c.ChannelName})
	if err != nil {
		return nil, err
	}
	created := hcppacker.Time(v.Created)
	return Output{AuthorID: v.Made[registry.MadeBy], BucketName: v.Bucket, Status: hcppacker.Active, CreatedAt: created, UpdatedAt: created,
		Fingerprint: hcppacker.Fingerprint(v), ID: v.Digest, Name: v.Name, ChannelID: c.ChannelName}, nil
}
