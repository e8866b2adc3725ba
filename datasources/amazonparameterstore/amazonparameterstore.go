// Package amazonparameterstore is the data source of a parameter in the
// Systems Manager Parameter Store.
package amazonparameterstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/component"
)

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "amazon-parameterstore",
		New: func() datasources.Config { return &Config{} }, Output: &Output{}}
}

// Config says which parameter to read.
type Config struct {
	amazon.AccessConfig
	// Name is the name or ARN of the parameter. ":VERSION" or ":LABEL" behind
	// it reads an earlier version.
	Name string `hcl:"name"`
	// WithDecryption decrypts the value of a SecureString. Default false.
	WithDecryption bool `hcl:"with_decryption,optional"`
}

// Output is the parameter.
type Output struct {
	// Value is the value. It is redacted.
	Value string `cty:"value" sensitive:"true"`
	// Version is the number of the version.
	Version string `cty:"version"`
	// ARN is the parameter's ARN.
	ARN string `cty:"arn"`
}

// Check checks the options.
func (c *Config) Check() error {
	if c.Name == "" {
		return component.Errorf("name", "is empty")
	}
	return c.CheckAccess()
}

// Read reads the parameter.
func (c *Config) Read(ctx context.Context, in datasources.Input) (any, error) {
	h := in.Host
	region, err := c.Home(ctx, h)
	if err != nil {
		return nil, err
	}
	out, err := ssm.NewFromConfig(region.Config).GetParameter(ctx,
		&ssm.GetParameterInput{Name: &c.Name, WithDecryption: &c.WithDecryption})
	var missing *types.ParameterNotFound
	if errors.As(err, &missing) {
		hint := "check name and region: aws ssm describe-parameters --region " + region.Name
		if h.Sandbox != nil {
			hint = fmt.Sprintf(`put it into the sandbox: eval "$(ingot sandbox env)" && aws ssm put-parameter --region %s --name %s --type String --value …`, region.Name, c.Name)
		}
		err = builders.WithHint(err, hint)
	}
	if err != nil {
		return nil, region.Explain(ctx, "read the parameter "+c.Name, err)
	}
	p := out.Parameter
	h.Secrets.Add(aws.ToString(p.Value))
	return Output{Value: aws.ToString(p.Value), Version: strconv.FormatInt(p.Version, 10), ARN: aws.ToString(p.ARN)}, nil
}
