// Package ecr logs in to the registries of AWS, ECR and ECR Public, with AWS
// credentials.
package ecr

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecrpublic"
	"github.com/aws/smithy-go"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// Options are those of ecr_login. Without keys and profile, the credentials
// are those that AWS programs find: in the environment, ~/.aws and the machine.
type Options struct {
	// EcrLogin logs in with AWS credentials to login_server, which is of ECR,
	// as "123456789012.dkr.ecr.eu-west-1.amazonaws.com", or "public.ecr.aws".
	// Default false.
	EcrLogin bool `hcl:"ecr_login,optional"`
	// AWSAccessKey is the access key for ecr_login.
	AWSAccessKey secret.String `hcl:"aws_access_key,optional"`
	// AWSSecretKey is its secret key.
	AWSSecretKey secret.String `hcl:"aws_secret_key,optional"`
	// AWSToken is the session token of the keys, where they have one.
	AWSToken secret.String `hcl:"aws_token,optional"`
	// AWSProfile is the profile of ~/.aws for ecr_login.
	AWSProfile string `hcl:"aws_profile,optional"`
	// AWSForceUsePublicECR takes login_server for one of ECR Public, whatever
	// its name is. Default false.
	AWSForceUsePublicECR bool `hcl:"aws_force_use_public_ecr,optional"`

	endpoint string // of the service, "" for that of AWS
}

// publicServer is the registry of ECR Public.
const publicServer = "public.ecr.aws"

// publicRegion is where ECR Public gives logins.
const publicRegion = "us-east-1"

var private = regexp.MustCompile(`^\d{12}\.dkr\.ecr(-fips)?\.([a-z0-9-]+)\.(amazonaws\.com(\.cn)?|on\.aws)$`)

// CheckECR looks at the options, for a login_server.
func (o *Options) CheckECR(server string) error {
	switch {
	case !o.EcrLogin:
		return nil
	case server == "":
		return component.Errorf("login_server", "is needed with ecr_login")
	case (o.AWSAccessKey.Reveal() == "") != (o.AWSSecretKey.Reveal() == ""):
		return component.Errorf("aws_secret_key", "aws_access_key and aws_secret_key are given together")
	case o.AWSToken.Reveal() != "" && o.AWSAccessKey.Reveal() == "":
		return component.Errorf("aws_token", "is for aws_access_key and aws_secret_key, which are not given")
	}
	_, err := o.region(server)
	return err
}

// region is where the login is asked for, "" for ECR Public.
func (o *Options) region(server string) (string, error) {
	host := server
	if u, err := url.Parse(server); err == nil && u.Host != "" {
		host = u.Host
	}
	host, _, _ = strings.Cut(host, "/")
	if o.AWSForceUsePublicECR || host == publicServer {
		return "", nil
	}
	if m := private.FindStringSubmatch(host); m != nil {
		return m[2], nil
	}
	return "", &component.OptionError{Option: "login_server", Message: fmt.Sprintf("%q is not a registry of ECR", server),
		Advice: "it is as 123456789012.dkr.ecr.eu-west-1.amazonaws.com, or " + publicServer}
}

// Login asks AWS for the user name and the password at a registry.
func (o *Options) Login(ctx context.Context, server string) (user, password string, err error) {
	region, err := o.region(server)
	if err != nil {
		return "", "", err
	}
	cfg, err := o.config(ctx, region)
	if err != nil {
		return "", "", fmt.Errorf("AWS credentials for %s: %w", server, err)
	}
	token, err := o.token(ctx, cfg, region == "")
	if err != nil {
		return "", "", explain(server, err)
	}
	text, err := base64.StdEncoding.DecodeString(token)
	user, password, ok := strings.Cut(string(text), ":")
	if err != nil || !ok {
		return "", "", fmt.Errorf("ECR gave a login for %s that can't be read", server)
	}
	return user, password, nil
}

func (o *Options) config(ctx context.Context, region string) (aws.Config, error) {
	if region == "" {
		region = publicRegion
	}
	options := []func(*config.LoadOptions) error{config.WithRegion(region)}
	if o.AWSProfile != "" {
		options = append(options, config.WithSharedConfigProfile(o.AWSProfile))
	}
	if key := o.AWSAccessKey.Reveal(); key != "" {
		options = append(options, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(key, o.AWSSecretKey.Reveal(), o.AWSToken.Reveal())))
	}
	if o.endpoint != "" {
		options = append(options, config.WithBaseEndpoint(o.endpoint))
	}
	return config.LoadDefaultConfig(ctx, options...)
}

func (o *Options) token(ctx context.Context, cfg aws.Config, public bool) (string, error) {
	if public {
		out, err := ecrpublic.NewFromConfig(cfg).GetAuthorizationToken(ctx, &ecrpublic.GetAuthorizationTokenInput{})
		if err != nil || out.AuthorizationData == nil {
			return "", err
		}
		return aws.ToString(out.AuthorizationData.AuthorizationToken), nil
	}
	out, err := ecr.NewFromConfig(cfg).GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil || len(out.AuthorizationData) == 0 {
		return "", err
	}
	return aws.ToString(out.AuthorizationData[0].AuthorizationToken), nil
}

func explain(server string, err error) error {
	var api smithy.APIError
	if errors.As(err, &api) {
		return builders.WithHint(fmt.Errorf("log in to %s: %s", server, api.ErrorMessage()),
			"the AWS credentials need ecr:GetAuthorizationToken (of ECR Public ecr-public:GetAuthorizationToken and sts:GetServiceBearerToken)")
	}
	return fmt.Errorf("log in to %s: %w", server, err)
}
