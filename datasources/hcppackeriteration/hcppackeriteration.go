// Package hcppackeriteration is the data source of the version that a channel
// points to, by the names of before there was hcp-packer-version.
package hcppackeriteration

import (
	"context"

	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/datasources/hcppacker"
	"github.com/ingot-build/ingot/internal/registry"
)

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "hcp-packer-iteration",
		New: func() datasources.Config { return &Config{} }, Output: &Output{}}
}

// Config says which version is wanted. hcp-packer-version is the newer name of
// this data source.
type Config struct {
	// BucketName is the bucket of the version.
	BucketName string `hcl:"bucket_name"`
	// Channel is the channel that points to it.
	Channel string `hcl:"channel"`
}

// Output is the version.
type Output struct {
	// AuthorID is the user who published it.
	AuthorID string `cty:"author_id"`
	// BucketName is its bucket.
	BucketName string `cty:"bucket_name"`
	// Complete is true: only what is complete is published.
	Complete bool `cty:"complete"`
	// CreatedAt is when it was published, as in "2006-01-02T15:04:05.000Z".
	CreatedAt string `cty:"created_at"`
	// Fingerprint is what HCP_PACKER_BUILD_FINGERPRINT said to the run that
	// published it, else the id of that run.
	Fingerprint string `cty:"fingerprint"`
	// ID is the name of the version, which iteration_id of hcp-packer-image takes.
	ID string `cty:"id"`
	// IncrementalVersion is its place in the order of the bucket's versions, from 1.
	IncrementalVersion int64 `cty:"incremental_version"`
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
	return hcppacker.Channel("channel", c.Channel)
}

// Read looks the version up.
func (c *Config) Read(ctx context.Context, in datasources.Input) (any, error) {
	v, r, err := hcppacker.Find(ctx, in, hcppacker.Query{Bucket: c.BucketName, Channel: c.Channel})
	if err != nil {
		return nil, err
	}
	all, err := r.Versions(ctx, v.Bucket)
	if err != nil {
		return nil, err
	}
	number := int64(0)
	for _, other := range all {
		if !other.Created.After(v.Created) {
			number++
		}
	}
	created := hcppacker.Time(v.Created)
	return Output{AuthorID: v.Made[registry.MadeBy], BucketName: v.Bucket, Complete: true, CreatedAt: created, UpdatedAt: created,
		Fingerprint: hcppacker.Fingerprint(v), ID: v.Name, IncrementalVersion: number, ChannelID: c.Channel}, nil
}
