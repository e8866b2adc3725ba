package gcp

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	xoauth2 "golang.org/x/oauth2"

	"github.com/ingot-build/ingot/internal/secret"
)

// vaultTimeout is how long Vault may take to answer.
const vaultTimeout = 30 * time.Second

// vault reads access tokens from Vault's secrets engine for Google Cloud, over
// its HTTP API.
type vault struct {
	path    string
	secrets *secret.Set
}

// Token reads a new token: https://developer.hashicorp.com/vault/api-docs/secret/gcp
func (v *vault) Token() (*xoauth2.Token, error) {
	ctx, cancel := context.WithTimeout(context.Background(), vaultTimeout)
	defer cancel()
	r, client, err := v.request(ctx)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("vault: %w", err)
	}
	defer resp.Body.Close()
	var answer struct {
		Data struct {
			Token   string `json:"token"`
			Expires int64  `json:"expires_at_seconds"`
		} `json:"data"`
		Errors []string `json:"errors"`
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("vault: %s: %s %s", v.path, resp.Status, strings.Join(answer.Errors, "; "))
	case err != nil:
		return nil, fmt.Errorf("vault: %s: %w", v.path, err)
	case answer.Data.Token == "":
		return nil, fmt.Errorf("vault: %s is not an access token of Google Cloud", v.path)
	}
	v.secrets.Add(answer.Data.Token)
	token := &xoauth2.Token{AccessToken: answer.Data.Token, Expiry: time.Now().Add(time.Hour)}
	if answer.Data.Expires > 0 {
		token.Expiry = time.Unix(answer.Data.Expires, 0)
	}
	return token, nil
}

func (v *vault) request(ctx context.Context) (*http.Request, *http.Client, error) {
	address := os.Getenv("VAULT_ADDR")
	if address == "" {
		return nil, nil, errors.New("VAULT_ADDR is not set")
	}
	token := os.Getenv("VAULT_TOKEN")
	if token == "" {
		if home, err := os.UserHomeDir(); err == nil {
			text, _ := os.ReadFile(filepath.Join(home, ".vault-token"))
			token = strings.TrimSpace(string(text))
		}
	}
	if token == "" {
		return nil, nil, errors.New("VAULT_TOKEN is not set, and there is no ~/.vault-token")
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(address, "/")+"/v1/"+strings.Trim(v.path, "/"), nil)
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("X-Vault-Token", token)
	r.Header.Set("X-Vault-Request", "true")
	if space := os.Getenv("VAULT_NAMESPACE"); space != "" {
		r.Header.Set("X-Vault-Namespace", space)
	}
	client := &http.Client{}
	if file := os.Getenv("VAULT_CACERT"); file != "" {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, nil, err
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(text) {
			return nil, nil, fmt.Errorf("VAULT_CACERT: %s has no certificate", file)
		}
		client.Transport = &http.Transport{Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: roots}}
	}
	return r, client, nil
}
