package amazon

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go/logging"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/outage"
	"github.com/ingot-build/ingot/internal/secret"
)

// Access is an AWS account, as one configuration reaches it.
type Access struct {
	config  AccessConfig
	dir     string
	sandbox *builders.Sandbox
	secrets *secret.Set
	account *account
	outages *outage.Watch
}

// Open checks the options and returns what reaches the account. It touches no
// network.
func (c AccessConfig) Open(h builders.Host) (*Access, error) {
	if h.Sandbox != nil {
		c = AccessConfig{Region: c.Region, Polling: c.Polling, MaxRetries: c.MaxRetries}
	}
	if err := c.CheckAccess(); err != nil {
		return nil, err
	}
	for _, s := range []string{c.SecretKey.Reveal(), c.Token.Reveal(), c.MFACode.Reveal()} {
		h.Secrets.Add(s)
	}
	a := &Access{config: c, dir: h.Dir, sandbox: h.Sandbox, secrets: h.Secrets}
	id := a.identity()
	a.account, a.outages = sharedAccount(h.Shared, id), sharedWatch(h.Shared, id)
	return a, nil
}

// Home checks the options and returns the region that they name.
func (c AccessConfig) Home(ctx context.Context, h builders.Host) (*Region, error) {
	a, err := c.Open(h)
	if err != nil {
		return nil, err
	}
	return a.Region(ctx, "")
}

// identity tells ways to reach an account apart. It holds no secret itself.
func (a *Access) identity() string {
	c := a.config
	h := key.New("amazon access/1").String(c.AccessKey).String(c.SecretKey.Reveal()).String(c.Token.Reveal()).
		String(c.Profile).String(hostfile.Path(a.dir, c.SharedCredentialsFile)).String(c.CustomEndpointEC2).
		String(c.MFACode.Reveal()).Int(int64(c.MaxRetries)).Bool(c.InsecureSkipTLSVerify).Bool(c.SkipMetadataAPICheck).
		Bool(c.DecodeAuthorizationMessages).Int(int64(c.pollDelay()))
	if r := c.AssumeRole; r != nil {
		h.String(fmt.Sprintf("%+v", *r))
	}
	if v := c.VaultAWSEngine; v != nil {
		h.String(fmt.Sprintf("%+v", *v))
	}
	if s := a.sandbox; s != nil {
		h.String(s.AWS).String(s.AWSKey).String(s.AWSSecret)
	}
	return string(h.Sum())
}

// Place says how the account is reached, for the journal. It holds no secret.
func (a *Access) Place() map[string]string {
	m := map[string]string{}
	for name, v := range map[string]string{
		"profile": a.config.Profile, "shared_credentials_file": hostfile.Path(a.dir, a.config.SharedCredentialsFile),
		"endpoint": a.config.CustomEndpointEC2, "access_key": a.config.AccessKey,
	} {
		if v != "" {
			m[name] = v
		}
	}
	if r := a.config.AssumeRole; r != nil {
		m["role_arn"], m["external_id"] = r.RoleARN, r.ExternalID
	}
	if a.sandbox != nil {
		m["endpoint"] = a.sandbox.AWS
	}
	return m
}

// load returns the SDK's configuration, with credentials.
func (a *Access) load(ctx context.Context) (aws.Config, error) {
	c := a.config
	client := awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		t.MaxIdleConnsPerHost = 64
		if c.InsecureSkipTLSVerify {
			t.TLSClientConfig = &tls.Config{InsecureSkipVerify: true} //nolint:gosec // what the option says
		}
	})
	retryer := newRetryer(c.MaxRetries)
	opts := []func(*config.LoadOptions) error{
		config.WithHTTPClient(client),
		config.WithLogger(logging.Nop{}), // what it has to say is in its errors
		config.WithRetryer(func() aws.Retryer { return retryer }),
		config.WithAPIOptions(append(callDeadline(), watching(a.outages))),
	}
	if c.Region != "" {
		opts = append(opts, config.WithRegion(c.Region))
	}
	if a.sandbox != nil {
		return a.loadSandbox(ctx, opts)
	}
	if c.SkipMetadataAPICheck {
		opts = append(opts, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	}
	if c.Profile != "" {
		opts = append(opts, config.WithSharedConfigProfile(c.Profile))
	}
	if f := c.SharedCredentialsFile; f != "" {
		path := hostfile.Path(a.dir, f)
		if _, err := os.Stat(path); err != nil {
			return aws.Config{}, fmt.Errorf("shared_credentials_file: %w", err)
		}
		opts = append(opts, config.WithSharedCredentialsFiles([]string{path}))
	}
	if code := c.MFACode.Reveal(); code != "" {
		opts = append(opts, config.WithAssumeRoleCredentialOptions(func(o *stscreds.AssumeRoleOptions) {
			o.TokenProvider = func() (string, error) { return code, nil }
		}))
	}
	if c.AccessKey != "" {
		opts = append(opts, config.WithCredentialsProvider(
			credentials.NewStaticCredentialsProvider(c.AccessKey, c.SecretKey.Reveal(), c.Token.Reveal())))
	}
	if v := c.VaultAWSEngine; v != nil {
		opts = append(opts, config.WithCredentialsProvider(aws.NewCredentialsCache(&vault{*v, a.secrets})))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return aws.Config{}, profileError(err)
	}
	if cfg.Region == "" && !c.SkipMetadataAPICheck {
		cfg.Region = ownRegion(ctx, cfg)
	}
	if c.AssumeRole != nil {
		cfg.Credentials = aws.NewCredentialsCache(assume(cfg, *c.AssumeRole))
	}
	return cfg, nil
}

// loadSandbox leaves alone all that the user has set up for the real service.
func (a *Access) loadSandbox(ctx context.Context, opts []func(*config.LoadOptions) error) (aws.Config, error) {
	s := a.sandbox
	opts = append(opts,
		config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(s.AWSKey, s.AWSSecret, "")),
		config.WithBaseEndpoint(s.AWS), config.WithSharedConfigFiles([]string{}), config.WithSharedCredentialsFiles([]string{}),
		config.WithDefaultRegion("us-east-1"), config.WithEC2IMDSClientEnableState(imds.ClientDisabled),
		config.WithUseFIPSEndpoint(aws.FIPSEndpointStateDisabled), config.WithUseDualStackEndpoint(aws.DualStackEndpointStateDisabled))
	return config.LoadDefaultConfig(ctx, opts...)
}

// ownRegion is the region of the instance that ingot runs on, "" where it runs
// on none.
func ownRegion(ctx context.Context, cfg aws.Config) string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out, err := imds.NewFromConfig(cfg).GetRegion(ctx, &imds.GetRegionInput{})
	if err != nil {
		return ""
	}
	return out.Region
}

func assume(cfg aws.Config, r AssumeRole) aws.CredentialsProvider {
	return stscreds.NewAssumeRoleProvider(sts.NewFromConfig(cfg), r.RoleARN, func(o *stscreds.AssumeRoleOptions) {
		o.Duration = time.Duration(r.DurationSeconds) * time.Second
		if r.SessionName != "" {
			o.RoleSessionName = r.SessionName
		} else {
			o.RoleSessionName = fmt.Sprintf("ingot-%d", time.Now().Unix())
		}
		if r.ExternalID != "" {
			o.ExternalID = &r.ExternalID
		}
		if r.Policy != "" {
			o.Policy = &r.Policy
		}
		for _, arn := range r.PolicyARNs {
			o.PolicyARNs = append(o.PolicyARNs, ststypes.PolicyDescriptorType{Arn: &arn})
		}
		for k, v := range r.Tags {
			o.Tags = append(o.Tags, ststypes.Tag{Key: &k, Value: &v})
		}
		o.TransitiveTagKeys = r.TransitiveTagKeys
	})
}

// profileError names the profile that is not there.
func profileError(err error) error {
	var missing config.SharedConfigProfileNotExistError
	if errors.As(err, &missing) {
		return builders.WithHint(fmt.Errorf("there is no profile %q", missing.Profile),
			"see ~/.aws/config and ~/.aws/credentials, the option profile and AWS_PROFILE")
	}
	return err
}

// accountKey is under which an account is kept in builders.Host.Shared.
type accountKey string

// sharedAccount returns what the builds of this process that reach an account
// in the same way have in common.
func sharedAccount(shared *sync.Map, identity string) *account {
	fresh := &account{lock: make(chan struct{}, 1)}
	if shared == nil {
		return fresh
	}
	a, _ := shared.LoadOrStore(accountKey(identity), fresh)
	return a.(*account)
}
