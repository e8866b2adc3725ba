package amazon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ingot-build/ingot/builders"
)

// vault gets credentials from the AWS engine of a Vault server.
type vault struct{ config VaultAWSEngine }

// vaultSecret is what the engine answers.
type vaultSecret struct {
	LeaseDuration int      `json:"lease_duration"` // seconds
	Errors        []string `json:"errors"`
	Data          struct {
		AccessKey     string `json:"access_key"`
		SecretKey     string `json:"secret_key"`
		SecurityToken string `json:"security_token"`
	} `json:"data"`
}

// Retrieve is of aws.CredentialsProvider.
func (v *vault) Retrieve(ctx context.Context) (aws.Credentials, error) {
	s, err := v.read(ctx)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("vault_aws_engine %q: %w", v.config.Name, err)
	}
	c := aws.Credentials{AccessKeyID: s.Data.AccessKey, SecretAccessKey: s.Data.SecretKey, SessionToken: s.Data.SecurityToken, Source: "vault"}
	if s.LeaseDuration > 0 {
		c.CanExpire, c.Expires = true, time.Now().Add(time.Duration(s.LeaseDuration)*time.Second)
	}
	return c, nil
}

func (v *vault) read(ctx context.Context) (vaultSecret, error) {
	addr := os.Getenv("VAULT_ADDR")
	if addr == "" {
		return vaultSecret{}, builders.WithHint(errors.New("VAULT_ADDR is not set"), "set it to the URL of the Vault server")
	}
	token, err := vaultToken()
	if err != nil {
		return vaultSecret{}, err
	}
	engine := v.config.EngineName
	if engine == "" {
		engine = "aws"
	}
	u := strings.TrimSuffix(addr, "/") + "/v1/" + strings.Trim(engine, "/") + "/creds/" + url.PathEscape(v.config.Name)
	q := url.Values{}
	if v.config.RoleARN != "" {
		q.Set("role_arn", v.config.RoleARN)
	}
	if v.config.TTL != "" {
		q.Set("ttl", v.config.TTL)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u+"?"+q.Encode(), nil)
	if err != nil {
		return vaultSecret{}, err
	}
	req.Header.Set("X-Vault-Token", token)
	if ns := os.Getenv("VAULT_NAMESPACE"); ns != "" {
		req.Header.Set("X-Vault-Namespace", ns)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return vaultSecret{}, err
	}
	defer resp.Body.Close()
	var s vaultSecret
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return vaultSecret{}, err
	}
	if err := json.Unmarshal(text, &s); err != nil && resp.StatusCode == http.StatusOK {
		return vaultSecret{}, err
	}
	switch {
	case resp.StatusCode != http.StatusOK:
		return vaultSecret{}, fmt.Errorf("%s %s", resp.Status, strings.Join(s.Errors, "; "))
	case s.Data.AccessKey == "" || s.Data.SecretKey == "":
		return vaultSecret{}, errors.New("the answer has no credentials")
	}
	return s, nil
}

func vaultToken() (string, error) {
	if t := os.Getenv("VAULT_TOKEN"); t != "" {
		return t, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(home, ".vault-token"))
	if err != nil {
		return "", builders.WithHint(errors.New("there is no token for Vault"), "set VAULT_TOKEN, or run vault login")
	}
	return strings.TrimSpace(string(text)), nil
}
