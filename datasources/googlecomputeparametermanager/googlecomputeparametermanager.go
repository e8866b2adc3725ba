// Package googlecomputeparametermanager is the data source of a parameter in
// Google Cloud's Parameter Manager.
package googlecomputeparametermanager

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/component"
)

// Definition lists the data source.
func Definition() datasources.Definition {
	return datasources.Definition{Type: "googlecompute-parametermanager",
		New: func() datasources.Config { return &Config{Location: global} }, Output: &Output{}}
}

// global is the location of parameters that are in no region.
const global = "global"

// Config says which parameter to read.
type Config struct {
	// ProjectID is the project of the parameter.
	ProjectID string `hcl:"project_id"`
	// Name is the name of the parameter.
	Name string `hcl:"name"`
	// Version is the version to read.
	Version string `hcl:"version"`
	// Location is the region of the parameter. Default "global".
	Location string `hcl:"location,optional"`
	// Key is the name in a parameter that is a JSON or YAML object whose value
	// is wanted. Default: value stays empty.
	Key string `hcl:"key,optional"`

	gcp.Access
}

// Output is the parameter. What it refers to in Secret Manager is in it.
type Output struct {
	// Payload is the whole parameter. It is redacted.
	Payload string `cty:"payload" sensitive:"true"`
	// Value is the value of key, "" where no key is given. It is redacted.
	Value string `cty:"value" sensitive:"true"`
}

// Check checks the options.
func (c *Config) Check() error {
	for _, o := range []struct{ name, value string }{
		{"project_id", c.ProjectID}, {"name", c.Name}, {"version", c.Version}, {"location", c.Location},
	} {
		if o.value == "" || strings.Contains(o.value, "/") {
			return component.Errorf(o.name, "%q is not a name", o.value)
		}
	}
	return c.CheckAccess()
}

// Read reads the parameter.
func (c *Config) Read(ctx context.Context, in datasources.Input) (any, error) {
	api, err := c.access().Client(in.Host)
	if err != nil {
		return nil, err
	}
	name := fmt.Sprintf("projects/%s/locations/%s/parameters/%s/versions/%s", c.ProjectID, c.Location, c.Name, c.Version)
	what := fmt.Sprintf("read the parameter %s of the project %s", c.Name, c.ProjectID)
	got, err := api.Parameters.Projects.Locations.Parameters.Versions.Render(name).Context(ctx).Do()
	if gcp.IsNotFound(err) {
		return nil, builders.WithHint(fmt.Errorf("%s: %w", what, gcp.Explain(err)),
			"check name, version and location: gcloud parametermanager parameters versions list --parameter "+c.Name+" --location "+c.Location+" --project "+c.ProjectID)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, gcp.Explain(err))
	}
	data := got.RenderedPayload
	if data == "" && got.Payload != nil {
		data = got.Payload.Data
	}
	text, err := base64.StdEncoding.DecodeString(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	in.Secrets.Add(string(text))
	out := Output{Payload: string(text)}
	if c.Key == "" {
		return out, nil
	}
	if out.Value, err = valueOf(text, c.Key); err != nil {
		return nil, builders.WithHint(fmt.Errorf("%s: %w", what, err), "check key, and what is in the parameter")
	}
	in.Secrets.Add(out.Value)
	return out, nil
}

// access reaches the service where the parameter is: each region has its own.
func (c *Config) access() *gcp.Access {
	access := c.Access
	if c.Location != global && access.CustomEndpoints["parametermanager"] == "" {
		endpoints := map[string]string{}
		for name, url := range access.CustomEndpoints {
			endpoints[name] = url
		}
		endpoints["parametermanager"] = "https://parametermanager." + c.Location + ".rep." + cmp.Or(access.UniverseDomain, "googleapis.com")
		access.CustomEndpoints = endpoints
	}
	return &access
}

// valueOf returns the value of a key of an object in JSON or YAML, as text.
func valueOf(text []byte, key string) (string, error) {
	typ, err := yaml.ImpliedType(text) // JSON is YAML too
	if err != nil || !typ.IsObjectType() {
		return "", errors.New("it is no JSON or YAML object, so that it has no keys")
	}
	all, err := yaml.Unmarshal(text, typ)
	if err != nil {
		return "", err
	}
	if !typ.HasAttribute(key) {
		return "", fmt.Errorf("there is no key %q in it", key)
	}
	v := all.GetAttr(key)
	if v.Type() == cty.String && !v.IsNull() {
		return v.AsString(), nil
	}
	out, err := ctyjson.Marshal(v, v.Type())
	return string(out), err
}
