package gcp

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	xoauth2 "golang.org/x/oauth2"

	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/stores"
)

// vault reads access tokens from Vault's secrets engine for Google Cloud.
type vault struct {
	path    string
	secrets *secret.Set
}

// Token reads a new token: https://developer.hashicorp.com/vault/api-docs/secret/gcp
func (v *vault) Token() (*xoauth2.Token, error) {
	got, err := stores.Env(os.Getenv).ReadVault(context.Background(), v.path, nil)
	if err != nil {
		return nil, err
	}
	var data struct {
		Token   string `json:"token"`
		Expires int64  `json:"expires_at_seconds"`
	}
	if json.Unmarshal(got.Data, &data) != nil || data.Token == "" {
		return nil, fmt.Errorf("vault: %s is not an access token of Google Cloud", v.path)
	}
	v.secrets.Add(data.Token)
	token := &xoauth2.Token{AccessToken: data.Token, Expiry: time.Now().Add(time.Hour)}
	if data.Expires > 0 {
		token.Expiry = time.Unix(data.Expires, 0)
	}
	return token, nil
}
