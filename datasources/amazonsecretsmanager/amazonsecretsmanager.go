// Package amazonsecretsmanager is the data source of a secret in AWS Secrets
// Manager.
package amazonsecretsmanager

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/component"
)

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "amazon-secretsmanager",
		New: func() datasources.Config { return &Config{} }, Output: &Output{}}
}

// Config says which secret to read.
type Config struct {
	amazon.AccessConfig
	// Name is the name or ARN of the secret.
	Name string `hcl:"name"`
	// Key is the name in a secret that is a JSON object whose value is wanted.
	// Default: the first one.
	Key string `hcl:"key,optional"`
	// VersionID is the id of the version to read. Default: that of
	// version_stage.
	VersionID string `hcl:"version_id,optional"`
	// VersionStage is the staging label of the version to read. Default
	// "AWSCURRENT".
	VersionStage string `hcl:"version_stage,optional"`
}

// Output is the secret.
type Output struct {
	// Value is the value of key, or the whole secret where it is no JSON
	// object. It is redacted.
	Value string `cty:"value" sensitive:"true"`
	// SecretString is the secret as it is stored, "" where it is binary. It is
	// redacted.
	SecretString string `cty:"secret_string" sensitive:"true"`
	// SecretBinary is a binary secret in base64, "" where it is text. It is
	// redacted.
	SecretBinary string `cty:"secret_binary" sensitive:"true"`
	// VersionID is the id of the version that was read. It is redacted.
	VersionID string `cty:"version_id" sensitive:"true"`
}

// Check checks the options.
func (c *Config) Check() error {
	if c.Name == "" {
		return component.Errorf("name", "is empty")
	}
	return c.CheckAccess()
}

// Read reads the secret.
func (c *Config) Read(ctx context.Context, in datasources.Input) (any, error) {
	h := in.Host
	got, region, err := c.get(ctx, h)
	if err != nil {
		return nil, err
	}
	out := Output{SecretString: aws.ToString(got.SecretString), VersionID: aws.ToString(got.VersionId)}
	if len(got.SecretBinary) > 0 {
		out.SecretBinary = base64.StdEncoding.EncodeToString(got.SecretBinary)
		h.Secrets.Add(out.SecretBinary)
	}
	if out.Value, err = valueOf(out.SecretString, c.Key); err != nil {
		return nil, builders.WithHint(region.Explain(ctx, c.what(), err), "check key, and what is in the secret")
	}
	h.Secrets.Add(out.Value)
	return out, nil
}

func (c *Config) what() string { return "read the secret " + c.Name }

// get asks for the secret.
func (c *Config) get(ctx context.Context, h builders.Host) (*secretsmanager.GetSecretValueOutput, *amazon.Region, error) {
	region, err := c.Home(ctx, h)
	if err != nil {
		return nil, nil, err
	}
	in := &secretsmanager.GetSecretValueInput{SecretId: &c.Name}
	if c.VersionID != "" {
		in.VersionId = &c.VersionID
	}
	if c.VersionStage != "" {
		in.VersionStage = &c.VersionStage
	}
	got, err := secretsmanager.NewFromConfig(region.Config).GetSecretValue(ctx, in)
	var missing *types.ResourceNotFoundException
	if errors.As(err, &missing) {
		hint := "check name, version and region: aws secretsmanager list-secrets --region " + region.Name
		if h.Sandbox != nil {
			hint = fmt.Sprintf(`put it into the sandbox: eval "$(ingot sandbox env)" && aws secretsmanager create-secret --region %s --name %s --secret-string …`, region.Name, c.Name)
		}
		err = builders.WithHint(err, hint)
	}
	if err != nil {
		return nil, nil, region.Explain(ctx, c.what(), err)
	}
	h.Secrets.Add(aws.ToString(got.SecretString))
	return got, region, nil
}
