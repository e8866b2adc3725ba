package stores

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// VaultSecret is what Vault has at a path.
type VaultSecret struct {
	// Data is of a key-value engine of version 2 an object with the secret in
	// "data".
	Data json.RawMessage `json:"data"`
	// Lease is how long it holds, in seconds, 0 where that has no end.
	Lease int `json:"lease_duration"`
}

// ReadVault reads a path of Vault, with the query that its engine takes.
// VAULT_ADDR and VAULT_TOKEN, else ~/.vault-token, say how Vault is reached.
func (e Env) ReadVault(ctx context.Context, path string, query url.Values) (*VaultSecret, error) {
	s, err := e.readVault(ctx, strings.Trim(path, "/"), query)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	return s, nil
}

func (e Env) readVault(ctx context.Context, path string, query url.Values) (*VaultSecret, error) {
	address, socket := e("VAULT_ADDR"), ""
	if address == "" {
		return nil, errors.New("VAULT_ADDR is not set")
	}
	if _, err := url.Parse(address); err != nil {
		return nil, errors.New("VAULT_ADDR is not a URL") // which may have a password in it
	}
	header, err := e.vaultHeader()
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, errors.New("the path is empty")
	}
	insecure, err := e.flag("VAULT_SKIP_VERIFY", false)
	if err != nil {
		return nil, err
	}
	if s, ok := strings.CutPrefix(address, "unix://"); ok {
		address, socket = "http://vault", s
	}
	client, err := e.client(tlsNames{"VAULT_CACERT", "VAULT_CAPATH", "VAULT_CLIENT_CERT", "VAULT_CLIENT_KEY", "VAULT_TLS_SERVER_NAME"}, insecure, socket)
	if err != nil {
		return nil, err
	}
	u := strings.TrimSuffix(address, "/") + "/v1/" + escapePath(path)
	if len(query) > 0 {
		u += "?" + query.Encode()
	}
	text, resp, err := get(ctx, client, u, header)
	if err != nil {
		return nil, err
	}
	var answer struct {
		VaultSecret
		Warnings []string `json:"warnings"`
		Errors   []string `json:"errors"`
	}
	err = json.Unmarshal(text, &answer)
	switch {
	case resp.StatusCode == http.StatusNotFound && len(answer.Errors) == 0:
		return nil, fmt.Errorf("there is nothing at %s %s", path, strings.Join(answer.Warnings, "; "))
	case resp.StatusCode != http.StatusOK && len(answer.Errors) > 0:
		return nil, fmt.Errorf("%s: %s: %s", path, resp.Status, said([]byte(strings.Join(answer.Errors, "; "))))
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%s: %s", path, resp.Status)
	case err != nil:
		return nil, fmt.Errorf("%s: the answer is not Vault's", path)
	}
	return &answer.VaultSecret, nil
}

func (e Env) vaultHeader() (http.Header, error) {
	token := e("VAULT_TOKEN")
	if token == "" {
		if home := e("HOME"); home != "" {
			text, err := os.ReadFile(filepath.Join(home, ".vault-token"))
			if err == nil {
				token = strings.TrimSpace(string(text))
			}
		}
	}
	if token == "" {
		return nil, errors.New("VAULT_TOKEN is not set, and there is no ~/.vault-token")
	}
	h := http.Header{"X-Vault-Token": {token}, "X-Vault-Request": {"true"}}
	if space := e("VAULT_NAMESPACE"); space != "" {
		h.Set("X-Vault-Namespace", space)
	}
	return h, nil
}

// VaultKey reads one value of a secret of Vault's key-value engine, of version
// 1 or 2. The path of one of version 2 has "data" in it: "secret/data/web".
func (e Env) VaultKey(ctx context.Context, path, key string) (string, error) {
	s, err := e.ReadVault(ctx, path, nil)
	if err != nil {
		return "", err
	}
	var top, nested map[string]json.RawMessage
	if json.Unmarshal(s.Data, &top) != nil {
		return "", fmt.Errorf("vault: %s has no values", path)
	}
	values := top
	if data, ok := top["data"]; ok && json.Unmarshal(data, &nested) == nil {
		if nested == nil { // a version that was deleted
			return "", fmt.Errorf("vault: there is nothing at %s", path)
		}
		values = nested
	}
	v, ok := values[key]
	if !ok {
		return "", fmt.Errorf("vault: %s has no key %q", path, key)
	}
	var text string
	if json.Unmarshal(v, &text) == nil && string(v) != "null" {
		return text, nil
	}
	return string(v), nil // a number, or what is nested, as JSON
}

// escapePath makes a path fit for a URL, its slashes kept.
func escapePath(path string) string {
	parts := strings.Split(path, "/")
	for i, p := range parts {
		parts[i] = url.PathEscape(p)
	}
	return strings.Join(parts, "/")
}
