package googlecomputesecretsmanager

import (
	"encoding/base64"
	"strings"
	"sync"
	"testing"

	gcesecret "google.golang.org/api/secretmanager/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
	"github.com/ingot-build/ingot/internal/secret"
)

func TestMain(m *testing.M) { sandboxtest.Main(m) }

func TestRead(t *testing.T) {
	t.Parallel()
	s := sandboxtest.Start(t, sandboxtest.Options{})
	h := builders.Host{Secrets: &secret.Set{}, Shared: &sync.Map{}, Sandbox: s.Host()}
	api, err := (&Config{}).Client(h)
	if err != nil {
		t.Fatal(err)
	}
	automatic := &gcesecret.Secret{Replication: &gcesecret.Replication{Automatic: &gcesecret.Automatic{}}}
	if _, err := api.Secrets.Projects.Secrets.Create("projects/p", automatic).SecretId("login").Do(); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{"first", `{"user": "me", "password": "hunter22", "port": 22}`} {
		data := base64.StdEncoding.EncodeToString([]byte(text))
		_, err := api.Secrets.Projects.Secrets.AddVersion("projects/p/secrets/login", &gcesecret.AddSecretVersionRequest{
			Payload: &gcesecret.SecretPayload{Data: data}}).Do()
		if err != nil {
			t.Fatal(err)
		}
	}
	t.Run("group", func(t *testing.T) {
		for name, c := range map[string]struct {
			change               func(*Config)
			payload, value, fail string
		}{
			"latest":     {change: func(*Config) {}, payload: `{"user": "me", "password": "hunter22", "port": 22}`},
			"key":        {change: func(c *Config) { c.Key = "password" }, payload: `{"user": "me", "password": "hunter22", "port": 22}`, value: "hunter22"},
			"number":     {change: func(c *Config) { c.Key = "port" }, payload: `{"user": "me", "password": "hunter22", "port": 22}`, value: "22"},
			"version":    {change: func(c *Config) { c.Version = "1" }, payload: "first"},
			"no key":     {change: func(c *Config) { c.Key = "nothing" }, fail: `no key "nothing"`},
			"no object":  {change: func(c *Config) { c.Version, c.Key = "1", "a" }, fail: "no JSON object"},
			"no version": {change: func(c *Config) { c.Version = "9" }, fail: "no version 9"},
		} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				cfg := Definition().New().(*Config)
				cfg.ProjectID, cfg.Name = "p", "login"
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
				out, ok := got.(Output)
				if err != nil || !ok || out.Payload != c.payload || out.Value != c.value || out.Checksum == 0 {
					t.Errorf("%+v, %v", got, err)
				}
			})
		}
	})
	if got := h.Secrets.Redact("it is hunter22"); strings.Contains(got, "hunter22") {
		t.Errorf("the secret is shown: %s", got)
	}
}
