package stores

import (
	"encoding/pem"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// env is an environment for a test.
func env(pairs map[string]string) Env { return func(name string) string { return pairs[name] } }

// vault answers as Vault's API does.
func vault(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("X-Vault-Token") != "s.token" || r.Header.Get("X-Vault-Request") != "true" {
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte(`{"errors":["permission denied"]}`))
		return
	}
	answers := map[string]string{
		"/v1/secret/data/web":     `{"data":{"data":{"pw":"hunter2","port":8080,"list":["a"]},"metadata":{"version":3}},"warnings":null}`,
		"/v1/kv/web":              `{"data":{"pw":"old","data":"a key of this name"}}`,
		"/v1/secret/data/deleted": `{"data":{"data":null,"metadata":{"deletion_time":"2026-01-01T00:00:00Z"}}}`,
		"/v1/a b/c":               `{"data":{"x":"spaced ` + r.Header.Get("X-Vault-Namespace") + `"}}`,
		"/v1/html":                `<html>`,
	}
	text, ok := answers[r.URL.Path]
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		text = `{"errors":[]}`
	}
	w.Write([]byte(text))
}

func TestVault(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(vault))
	defer s.Close()
	e := env(map[string]string{"VAULT_ADDR": s.URL + "/", "VAULT_TOKEN": "s.token", "VAULT_NAMESPACE": "team"})
	for _, tc := range []struct{ path, key, want, fail string }{
		{"secret/data/web", "pw", "hunter2", ""},
		{"/secret/data/web/", "port", "8080", ""},
		{"secret/data/web", "list", `["a"]`, ""},
		{"kv/web", "pw", "old", ""},
		{"kv/web", "data", "a key of this name", ""},
		{"a b/c", "x", "spaced team", ""},
		{"secret/data/web", "nope", "", `vault: secret/data/web has no key "nope"`},
		{"secret/data/deleted", "pw", "", "vault: there is nothing at secret/data/deleted"},
		{"secret/nothing", "pw", "", "vault: there is nothing at secret/nothing"},
		{"html", "pw", "", "the answer is not Vault's"},
		{"", "pw", "", "the path is empty"},
	} {
		got, err := e.VaultKey(t.Context(), tc.path, tc.key)
		if got != tc.want || (err == nil) != (tc.fail == "") || err != nil && !strings.Contains(err.Error(), tc.fail) {
			t.Errorf("%s %s: %q, %v", tc.path, tc.key, got, err)
		}
	}
}

func TestVaultEnvironment(t *testing.T) {
	t.Parallel()
	s := httptest.NewTLSServer(http.HandlerFunc(vault))
	t.Cleanup(s.Close)
	home := t.TempDir()
	ca := filepath.Join(home, "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})
	for name, content := range map[string]string{ca: string(text), filepath.Join(home, ".vault-token"): "s.token\n", filepath.Join(home, "none.pem"): "x"} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, tc := range map[string]struct {
		env  map[string]string
		fail string
	}{
		"a token file and a certificate": {map[string]string{"HOME": home, "VAULT_CACERT": ca}, ""},
		"a folder of certificates":       {map[string]string{"VAULT_TOKEN": "s.token", "VAULT_CAPATH": home}, ""},
		"no check":                       {map[string]string{"VAULT_TOKEN": "s.token", "VAULT_SKIP_VERIFY": "1"}, ""},
		"an unknown certificate":         {map[string]string{"VAULT_TOKEN": "s.token"}, "certificate"},
		"another name":                   {map[string]string{"VAULT_TOKEN": "s.token", "VAULT_CACERT": ca, "VAULT_TLS_SERVER_NAME": "other.test"}, "other.test"},
		"no token":                       {map[string]string{}, "VAULT_TOKEN is not set"},
		"another token":                  {map[string]string{"VAULT_TOKEN": "x", "VAULT_CACERT": ca}, "403 Forbidden: permission denied"},
		"no address":                     {map[string]string{"VAULT_ADDR": ""}, "VAULT_ADDR is not set"},
		"not a certificate":              {map[string]string{"VAULT_TOKEN": "s.token", "VAULT_CACERT": filepath.Join(home, "none.pem")}, "has no certificate"},
		"no such certificate":            {map[string]string{"VAULT_TOKEN": "s.token", "VAULT_CACERT": home + "/gone"}, "VAULT_CACERT"},
		"no such client certificate":     {map[string]string{"VAULT_TOKEN": "s.token", "VAULT_CLIENT_CERT": home + "/gone"}, "VAULT_CLIENT_CERT"},
		"not a URL":                      {map[string]string{"VAULT_TOKEN": "s.token", "VAULT_ADDR": "http://me:hun ter2@x"}, "VAULT_ADDR is not a URL"},
		"not a flag":                     {map[string]string{"VAULT_TOKEN": "s.token", "VAULT_SKIP_VERIFY": "perhaps"}, "VAULT_SKIP_VERIFY"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, ok := tc.env["VAULT_ADDR"]; !ok {
				tc.env["VAULT_ADDR"] = s.URL
			}
			got, err := env(tc.env).VaultKey(t.Context(), "secret/data/web", "pw")
			if tc.fail == "" && got != "hunter2" || (err == nil) != (tc.fail == "") || err != nil && !strings.Contains(err.Error(), tc.fail) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}

func TestVaultThatIsNotReady(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			w.Write([]byte(`{"errors":["Vault is sealed"]}`))
			return
		}
		vault(w, r)
	}))
	defer s.Close()
	got, err := env(map[string]string{"VAULT_ADDR": s.URL, "VAULT_TOKEN": "s.token"}).VaultKey(t.Context(), "kv/web", "pw")
	if got != "old" || err != nil {
		t.Error(got, err)
	}
}

// A standby leads to the node that answers, but nobody out of TLS.
func TestVaultRedirects(t *testing.T) {
	t.Parallel()
	plain := httptest.NewServer(http.HandlerFunc(vault))
	defer plain.Close()
	active := httptest.NewTLSServer(http.HandlerFunc(vault))
	defer active.Close()
	for to, want := range map[string]string{active.URL: "hunter2", plain.URL: ""} {
		standby := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, to+r.URL.Path, http.StatusTemporaryRedirect)
		}))
		defer standby.Close()
		got, err := env(map[string]string{"VAULT_ADDR": standby.URL, "VAULT_TOKEN": "s.token", "VAULT_SKIP_VERIFY": "1"}).VaultKey(t.Context(), "secret/data/web", "pw")
		if got != want || (err == nil) != (want != "") || err != nil && !strings.Contains(err.Error(), "the token could be read on the way") {
			t.Errorf("to %s: %q, %v", to, got, err)
		}
	}
}

// consul answers as Consul's API does.
func consul(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	user, password, _ := r.BasicAuth()
	switch {
	case !q.Has("raw"):
		w.WriteHeader(http.StatusBadRequest)
	case r.Header.Get("X-Consul-Token") == "bad":
		w.WriteHeader(http.StatusForbidden)
		w.Write([]byte("Permission denied"))
	case r.URL.Path == "/v1/kv/web/port":
		w.Write([]byte("8080"))
	case r.URL.Path == "/v1/kv/who":
		w.Write([]byte(r.Header.Get("X-Consul-Token") + " " + user + " " + password + " " + q.Get("ns") + " " + q.Get("partition")))
	case r.URL.Path == "/v1/kv/empty":
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestConsul(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(http.HandlerFunc(consul))
	defer s.Close()
	secure := httptest.NewTLSServer(http.HandlerFunc(consul))
	defer secure.Close()
	dir := t.TempDir()
	file, socket := filepath.Join(dir, "token"), filepath.Join(dir, "s")
	if err := os.WriteFile(file, []byte("from a file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	local := httptest.NewUnstartedServer(http.HandlerFunc(consul))
	local.Listener = l
	local.Start()
	defer local.Close()
	address := strings.TrimPrefix(s.URL, "http://")
	for name, tc := range map[string]struct {
		env             map[string]string
		key, want, fail string
	}{
		"an address":      {map[string]string{"CONSUL_HTTP_ADDR": address}, "web/port", "8080", ""},
		"a URL":           {map[string]string{"CONSUL_HTTP_ADDR": s.URL}, "/web/port", "8080", ""},
		"a socket":        {map[string]string{"CONSUL_HTTP_ADDR": "unix://" + socket}, "web/port", "8080", ""},
		"TLS":             {map[string]string{"CONSUL_HTTP_ADDR": strings.TrimPrefix(secure.URL, "https://"), "CONSUL_HTTP_SSL": "true", "CONSUL_HTTP_SSL_VERIFY": "false"}, "web/port", "8080", ""},
		"TLS, checked":    {map[string]string{"CONSUL_HTTP_ADDR": secure.URL}, "web/port", "", "certificate"},
		"a token":         {map[string]string{"CONSUL_HTTP_ADDR": address, "CONSUL_HTTP_TOKEN": "t", "CONSUL_HTTP_AUTH": "u:p", "CONSUL_NAMESPACE": "n", "CONSUL_PARTITION": "q"}, "who", "t u p n q", ""},
		"a token's file":  {map[string]string{"CONSUL_HTTP_ADDR": address, "CONSUL_HTTP_TOKEN_FILE": file}, "who", "from a file    ", ""},
		"no such file":    {map[string]string{"CONSUL_HTTP_ADDR": address, "CONSUL_HTTP_TOKEN_FILE": file + "x"}, "who", "", "CONSUL_HTTP_TOKEN_FILE"},
		"a wrong token":   {map[string]string{"CONSUL_HTTP_ADDR": address, "CONSUL_HTTP_TOKEN": "bad"}, "who", "", "consul: who: 403 Forbidden: Permission denied"},
		"no such key":     {map[string]string{"CONSUL_HTTP_ADDR": address}, "nothing", "", "there is no key nothing"},
		"an empty value":  {map[string]string{"CONSUL_HTTP_ADDR": address}, "empty", "", "the value of empty is empty"},
		"no key":          {map[string]string{"CONSUL_HTTP_ADDR": address}, "", "", "the key is empty"},
		"not a flag":      {map[string]string{"CONSUL_HTTP_SSL": "x"}, "k", "", "CONSUL_HTTP_SSL"},
		"nobody is there": {map[string]string{"CONSUL_HTTP_ADDR": "unix://" + dir + "/none"}, "k", "", "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := env(tc.env).ConsulKey(t.Context(), tc.key)
			if got != tc.want || (err == nil) != (tc.fail == "") || err != nil && !strings.Contains(err.Error(), tc.fail) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
}
