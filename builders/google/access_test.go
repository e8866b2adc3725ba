package google

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/secret"
)

// serviceAccount is a key of a service account, whose tokens come from a server.
func serviceAccount(t *testing.T, tokens string) string {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "project_id": "my-project", "private_key_id": "1", "client_id": "2",
		"client_email": "builder@my-project.iam.gserviceaccount.com", "token_uri": tokens,
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestAccess reaches the cloud in each way, as it does without -sandbox. The
// environment says where the credentials are, so that it is not parallel.
func TestAccess(t *testing.T) {
	l := newLab(t)
	for _, name := range []string{"GOOGLE_APPLICATION_CREDENTIALS", "VAULT_TOKEN", "VAULT_NAMESPACE", "VAULT_CACERT"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", t.TempDir())
	t.Setenv("GCE_METADATA_HOST", "127.0.0.1:1") // nobody there: this is no machine of Google's
	key := serviceAccount(t, l.URL()+"/token")
	vault := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Vault-Token") != "vault-token" || r.URL.Path != "/v1/gcp/token/builder" {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"errors":["permission denied"]}`))
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"data": map[string]any{"token": l.Host().GoogleToken}})
	}))
	t.Cleanup(vault.Close)
	t.Setenv("VAULT_ADDR", vault.URL)
	for name, c := range map[string]struct {
		change     func(*Config)
		env        map[string]string
		rule       *fault.Rule
		want, hint string // of the error; "" where it works
	}{
		"access_token":     {change: func(c *Config) { c.AccessToken = secret.Sensitive(l.Host().GoogleToken) }},
		"credentials_json": {change: func(c *Config) { c.CredentialsJSON = secret.Sensitive(key) }},
		"credentials_file": {change: func(c *Config) { c.CredentialsFile = "key.json" }},
		"account_file":     {change: func(c *Config) { c.AccountFile = secret.Plain("key.json") }},
		"account_file, the JSON itself": {change: func(c *Config) {
			c.AccountFile = secret.Sensitive(key)
		}},
		"application default credentials": {change: func(*Config) {}, env: map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "key.json"}},
		"vault":                           {change: func(c *Config) { c.VaultGCPOAuthEngine = "gcp/token/builder" }, env: map[string]string{"VAULT_TOKEN": "vault-token"}},
		"impersonate_service_account": {change: func(c *Config) { c.ImpersonateServiceAccount = "baker@my-project.iam.gserviceaccount.com" },
			env: map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "key.json"}},
		"impersonation refused": {change: func(c *Config) { c.ImpersonateServiceAccount = "admin@my-project.iam.gserviceaccount.com" },
			env: map[string]string{"GOOGLE_APPLICATION_CREDENTIALS": "key.json"}, rule: &fault.Rule{
				Call: "iamcredentials.*", Do: fault.Error, Status: 403, Code: "forbidden",
				Message: "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)."},
			want: "impersonate: admin@my-project.iam.gserviceaccount.com: googleapi: Error 403: Permission 'iam.serviceAccounts.getAccessToken' denied", hint: "credentials_file"},
		"vault refuses": {change: func(c *Config) { c.VaultGCPOAuthEngine = "gcp/token/builder" }, env: map[string]string{"VAULT_TOKEN": "wrong"},
			want: "permission denied", hint: "credentials_file"},
		"none": {change: func(*Config) {}, want: "there are no credentials for Google Cloud", hint: "gcloud auth application-default login"},
		"expired": {change: func(c *Config) { c.AccessToken = secret.Sensitive("old") }, rule: &fault.Rule{
			Call: "gce.images.*", Do: fault.Error, Status: 401, Code: "authError", Message: "Invalid Credentials", Times: 4}, want: "refused the credentials", hint: "expired"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.rule != nil {
				if err := l.Faults.Add(*c.rule); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(l.Faults.Clear)
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "key.json"), []byte(key), 0o600); err != nil {
				t.Fatal(err)
			}
			for k, v := range c.env {
				t.Setenv(k, strings.Replace(v, "key.json", filepath.Join(dir, "key.json"), 1))
			}
			cfg := template(func(cfg *Config) {
				cfg.CustomEndpoints = map[string]string{"compute": l.URL() + "/compute/v1", "iamcredentials": l.URL(), "oauth2": l.URL()}
				c.change(cfg)
			})
			b, err := cfg.Open(builders.Host{Dir: dir, Secrets: &secret.Set{}, Shared: &sync.Map{}})
			if err == nil {
				_, err = b.Resolve(t.Context())
			}
			if c.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				who, err := b.(*builder).cloud.api.OAuth2.Tokeninfo().Do()
				if as := cfg.ImpersonateServiceAccount; as != "" && (err != nil || who.Email != as) {
					t.Errorf("acts as %+v, %v", who, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(builders.Hint(err), c.hint) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %v, hint %q", err, builders.Hint(err))
			}
		})
	}
}
