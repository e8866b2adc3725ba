// Package amazonami is the data source of an EC2 image.
package amazonami

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/component"
)

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "amazon-ami",
		New: func() datasources.Config { return &Config{} }, Output: &Output{}}
}

// Config says which image to find. Exactly one must match, unless most_recent
// takes the newest.
type Config struct {
	amazon.AccessConfig
	amazon.AMIFilter
}

// Output is the image.
type Output struct {
	// ID is the image's id, e.g. "ami-0123456789abcdef0".
	ID string `cty:"id"`
	// Name is the image's name.
	Name string `cty:"name"`
	// CreationDate is when it was made, in RFC 3339.
	CreationDate string `cty:"creation_date"`
	// Owner is the account id of its owner.
	Owner string `cty:"owner"`
	// OwnerName is the name of its owner where AWS has one, e.g. "amazon".
	OwnerName string `cty:"owner_name"`
	// Tags are its tags, as far as this account sees them.
	Tags map[string]string `cty:"tags"`
}

// Check checks the options.
func (c *Config) Check() error {
	switch {
	case len(c.Filters) == 0:
		return advise("filters", "is missing", `e.g. filters = { name = "debian-12-amd64-*" }`)
	case len(c.Owners) == 0:
		return advise("owners", "is missing: an image of anybody could match",
			`name whose images count: an account id, "self", "amazon" or "aws-marketplace"`)
	}
	return c.CheckAccess()
}

func advise(option, message, advice string) error {
	return &component.OptionError{Option: option, Message: message, Advice: advice}
}

// Read finds the image.
func (c *Config) Read(ctx context.Context, in datasources.Input) (any, error) {
	h := in.Host
	region, err := c.Home(ctx, h)
	if err != nil {
		return nil, err
	}
	img, err := region.FindImage(ctx, c.AMIFilter)
	if err != nil {
		return nil, err
	}
	out := Output{ID: aws.ToString(img.ImageId), Name: aws.ToString(img.Name), CreationDate: aws.ToString(img.CreationDate),
		Owner: aws.ToString(img.OwnerId), OwnerName: aws.ToString(img.ImageOwnerAlias), Tags: map[string]string{}}
	for _, t := range img.Tags {
		out.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
	}
	return out, nil
}
