// Package googlecomputesecretsmanager is the data source of a secret in Google
// Cloud's Secret Manager.
package googlecomputesecretsmanager

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/component"
)

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "googlecompute-secretsmanager",
		New: func() datasources.Config { return &Config{Version: "latest"} }, Output: &Output{}}
}

// Config says which secret to read.
type Config struct {
	// ProjectID is the project of the secret.
	ProjectID string `hcl:"project_id"`
	// Name is the name of the secret.
	Name string `hcl:"name"`
	// Key is the name in a secret that is a JSON object whose value is wanted.
	// Default: value stays empty.
	Key string `hcl:"key,optional"`
	// Version is the version to read. Default "latest".
	Version string `hcl:"version,optional"`
	// Endpoint is another address of Secret Manager.
	Endpoint string `hcl:"endpoint,optional"`
	// Scopes are the scopes of the token. Default: cloud-platform.
	Scopes []string `hcl:"scopes,optional"`
	// Audience is refused.
	Audience *string `hcl:"audience,optional" refuse:"tokens are asked for by scope: use credentials_file for a federation, or impersonate_service_account"`

	gcp.Access
}

// Output is the secret.
type Output struct {
	// Payload is the whole secret. It is redacted.
	Payload string `cty:"payload" sensitive:"true"`
	// Value is the value of key, "" where no key is given. It is redacted.
	Value string `cty:"value" sensitive:"true"`
	// Checksum is the CRC32C of the payload.
	Checksum int64 `cty:"checksum"`
}

// Check checks the options.
func (c *Config) Check() error {
	switch {
	case c.ProjectID == "":
		return component.Errorf("project_id", "is empty")
	case c.Name == "":
		return component.Errorf("name", "is empty")
	case c.Version == "":
		return component.Errorf("version", "is empty")
	case c.Endpoint != "" && c.CustomEndpoints["secretmanager"] != "":
		return component.Errorf("endpoint", "is set together with custom_endpoints.secretmanager")
	}
	return c.CheckAccess()
}

// Read reads the secret.
func (c *Config) Read(ctx context.Context, in datasources.Input) (any, error) {
	h := in.Host
	access := c.Scoped(c.Scopes)
	if c.Endpoint != "" {
		access.CustomEndpoints = map[string]string{"secretmanager": c.Endpoint}
	}
	api, err := access.Client(h)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("projects/%s/secrets/%s/versions/%s", c.ProjectID, c.Name, c.Version)
	what := fmt.Sprintf("read the secret %s of the project %s", c.Name, c.ProjectID)
	got, err := api.Secrets.Projects.Secrets.Versions.Access(name).Context(ctx).Do()
	if gcp.IsNotFound(err) {
		return nil, builders.WithHint(fmt.Errorf("%s: there is no version %s of it", what, c.Version),
			"check name, version and project_id: gcloud secrets versions list "+c.Name+" --project "+c.ProjectID)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, gcp.Explain(err))
	}
	text, err := base64.StdEncoding.DecodeString(got.Payload.Data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	sum := int64(crc32.Checksum(text, crc32.MakeTable(crc32.Castagnoli)))
	if want := got.Payload.DataCrc32c; want != 0 && want != sum {
		return nil, fmt.Errorf("%s: its checksum is not that of what arrived", what)
	}
	h.Secrets.Add(string(text))
	out := Output{Payload: string(text), Checksum: sum}
	if c.Key == "" {
		return out, nil
	}
	if out.Value, err = valueOf(text, c.Key); err != nil {
		return nil, builders.WithHint(fmt.Errorf("%s: %w", what, err), "check key, and what is in the secret")
	}
	h.Secrets.Add(out.Value)
	return out, nil
}

// valueOf returns the value of a key of a JSON object, as text.
func valueOf(text []byte, key string) (string, error) {
	var values map[string]json.RawMessage
	if json.Unmarshal(text, &values) != nil {
		return "", errors.New("it is no JSON object, so that it has no keys")
	}
	v, ok := values[key]
	if !ok {
		return "", fmt.Errorf("there is no key %q in it", key)
	}
	var plain string
	if json.Unmarshal(v, &plain) == nil {
		return plain, nil
	}
	return strings.TrimSpace(string(v)), nil
}
