package googlecomputeparametermanager

import (
	"encoding/base64"
	"strings"
	"sync"
	"testing"

	gceparameter "google.golang.org/api/parametermanager/v1"
	gcesecret "google.golang.org/api/secretmanager/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
	"github.com/ingot-build/ingot/internal/secret"
)

func TestMain(m *testing.M) { sandboxtest.Main(m) }

const yamlText = "user: me\npassword: __REF__(\"//secretmanager.googleapis.com/projects/p/secrets/login/versions/latest\")\nports:\n- 22\n- 80\n"

func TestRead(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandboxtest.Options{})
	h := builders.Host{Secrets: &secret.Set{}, Shared: &sync.Map{}, Sandbox: s.Host()}
	api, err := (&Config{Location: global}).access().Client(h)
	if err != nil {
		t.Fatal(err)
	}
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	automatic := &gcesecret.Secret{Replication: &gcesecret.Replication{Automatic: &gcesecret.Automatic{}}}
	if _, err := api.Secrets.Projects.Secrets.Create("projects/p", automatic).SecretId("login").Do(); err != nil {
		t.Fatal(err)
	}
	if _, err := api.Secrets.Projects.Secrets.AddVersion("projects/p/secrets/login", &gcesecret.AddSecretVersionRequest{
		Payload: &gcesecret.SecretPayload{Data: encode("hunter22")}}).Do(); err != nil {
		t.Fatal(err)
	}
	for location, texts := range map[string]map[string]string{
		"global":       {"v1": `{"size": 12, "name": "web"}`, "v2": yamlText, "text": "plain"},
		"europe-west1": {"v1": `{"name": "there"}`},
	} {
		parent := "projects/p/locations/" + location
		calls := api.Parameters.Projects.Locations.Parameters
		if _, err := calls.Create(parent, &gceparameter.Parameter{}).ParameterId("app").Do(); err != nil {
			t.Fatal(err)
		}
		for id, text := range texts {
			version := &gceparameter.ParameterVersion{Payload: &gceparameter.ParameterVersionPayload{Data: encode(text)}}
			if _, err := calls.Versions.Create(parent+"/parameters/app", version).ParameterVersionId(id).Do(); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Run("group", func(t *testing.T) {
		for name, c := range map[string]struct {
			change               func(*Config)
			payload, value, fail string
		}{
			"json":       {change: func(c *Config) { c.Key = "size" }, payload: `{"size": 12, "name": "web"}`, value: "12"},
			"text":       {change: func(c *Config) { c.Version = "text" }, payload: "plain"},
			"region":     {change: func(c *Config) { c.Location, c.Key = "europe-west1", "name" }, payload: `{"name": "there"}`, value: "there"},
			"reference":  {change: func(c *Config) { c.Version, c.Key = "v2", "password" }, payload: "user: me\npassword: hunter22\nports:\n- 22\n- 80\n", value: "hunter22"},
			"list":       {change: func(c *Config) { c.Version, c.Key = "v2", "ports" }, payload: "user: me\npassword: hunter22\nports:\n- 22\n- 80\n", value: "[22,80]"},
			"no key":     {change: func(c *Config) { c.Key = "nothing" }, fail: `no key "nothing"`},
			"no object":  {change: func(c *Config) { c.Version, c.Key = "text", "a" }, fail: "no JSON or YAML object"},
			"no version": {change: func(c *Config) { c.Version = "v9" }, fail: "not found"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				cfg := Definition().New().(*Config)
				cfg.ProjectID, cfg.Name, cfg.Version = "p", "app", "v1"
				c.change(cfg)
				if err := cfg.Check(); err != nil {
					t.Fatal(err)
				}
				got, err := cfg.Read(t.Context(), datasources.Input{Host: h})
				if c.fail != "" {
					if err == nil || !strings.Contains(err.Error(), c.fail) || builders.Hint(err) == "" {
						t.Errorf("error %v, want it to say %q", err, c.fail)
					}
					return
				}
				if out, ok := got.(Output); err != nil || !ok || out.Payload != c.payload || out.Value != c.value {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
	})
	if got := h.Secrets.Redact("it is hunter22"); strings.Contains(got, "hunter22") {
		t.Errorf("the secret is shown: %s", got)
	}
}
