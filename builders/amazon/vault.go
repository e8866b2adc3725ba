package amazon

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/internal/stores"
)

// vault gets credentials from the AWS engine of a Vault server.
type vault struct {
	config  VaultAWSEngine
	secrets *secret.Set
}

// Retrieve is of aws.CredentialsProvider.
func (v *vault) Retrieve(ctx context.Context) (aws.Credentials, error) {
	c, err := v.read(ctx)
	if err != nil {
		return aws.Credentials{}, fmt.Errorf("vault_aws_engine %q: %w", v.config.Name, err)
	}
	v.secrets.Add(c.SecretAccessKey)
	v.secrets.Add(c.SessionToken)
	return c, nil
}

func (v *vault) read(ctx context.Context) (aws.Credentials, error) {
	query := url.Values{}
	for name, value := range map[string]string{"role_arn": v.config.RoleARN, "ttl": v.config.TTL} {
		if value != "" {
			query.Set(name, value)
		}
	}
	engine := strings.Trim(cmp.Or(v.config.EngineName, "aws"), "/")
	got, err := stores.Env(os.Getenv).ReadVault(ctx, engine+"/creds/"+v.config.Name, query)
	if err != nil {
		return aws.Credentials{}, err
	}
	var data struct {
		AccessKey     string `json:"access_key"`
		SecretKey     string `json:"secret_key"`
		SecurityToken string `json:"security_token"`
	}
	if json.Unmarshal(got.Data, &data) != nil || data.AccessKey == "" || data.SecretKey == "" {
		return aws.Credentials{}, errors.New("the answer has no credentials")
	}
	c := aws.Credentials{AccessKeyID: data.AccessKey, SecretAccessKey: data.SecretKey, SessionToken: data.SecurityToken, Source: "vault"}
	if got.Lease > 0 {
		c.CanExpire, c.Expires = true, time.Now().Add(time.Duration(got.Lease)*time.Second)
	}
	return c, nil
}
