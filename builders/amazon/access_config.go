package amazon

import (
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

// AccessConfig is how the AWS account is reached. What is not set is found as
// all AWS tools find it: environment, shared files, single sign-on, the role
// of the machine.
type AccessConfig struct {
	// AccessKey is the access key id to use, together with secret_key.
	AccessKey string `hcl:"access_key,optional"`
	// SecretKey is the secret of access_key.
	SecretKey secret.String `hcl:"secret_key,optional"`
	// Token is the session token of temporary credentials, together with
	// access_key and secret_key.
	Token secret.String `hcl:"token,optional"`
	// Profile is the profile of the shared configuration and credentials files
	// to use. Default: AWS_PROFILE, or "default".
	Profile string `hcl:"profile,optional"`
	// SharedCredentialsFile is the file of credentials to read in place of
	// ~/.aws/credentials.
	SharedCredentialsFile string `hcl:"shared_credentials_file,optional"`
	// Region is the region to build in. Default: AWS_REGION, the profile's, or
	// that of the EC2 instance that ingot runs on.
	Region string `hcl:"region,optional"`
	// AssumeRole is a role to take on.
	AssumeRole *AssumeRole `hcl:"assume_role,block"`
	// MFACode is the code of the multi-factor device that the profile names
	// (mfa_serial).
	MFACode secret.String `hcl:"mfa_code,optional"`
	// VaultAWSEngine takes the credentials from the AWS engine of a Vault
	// server, at VAULT_ADDR with VAULT_TOKEN or ~/.vault-token.
	VaultAWSEngine *VaultAWSEngine `hcl:"vault_aws_engine,block"`

	// CustomEndpointEC2 is the URL of an EC2 service to use in place of AWS's.
	CustomEndpointEC2 string `hcl:"custom_endpoint_ec2,optional"`
	// InsecureSkipTLSVerify accepts any certificate of the services. Default
	// false.
	InsecureSkipTLSVerify bool `hcl:"insecure_skip_tls_verify,optional"`
	// DecodeAuthorizationMessages asks AWS for the plain text of encoded
	// authorization failures. It needs sts:DecodeAuthorizationMessage. Default
	// false.
	DecodeAuthorizationMessages bool `hcl:"decode_authorization_messages,optional"`
	// MaxRetries is how often a request is tried again. Default 0: until its
	// time is over, with growing waits.
	MaxRetries int `hcl:"max_retries,optional"`
	// SkipMetadataAPICheck does not ask the metadata service of the EC2
	// instance that ingot may run on, neither for credentials nor for a region.
	// Default false.
	SkipMetadataAPICheck bool `hcl:"skip_metadata_api_check,optional"`
	// SkipCredentialValidation does not ask AWS whose credentials these are
	// before anything is made. Default false.
	SkipCredentialValidation bool `hcl:"skip_credential_validation,optional"`
	// Polling says how long and how often to ask whether something has come
	// about.
	Polling *Polling `hcl:"aws_polling,block"`
}

// AssumeRole is a role to take on.
type AssumeRole struct {
	// RoleARN is the role's ARN.
	RoleARN string `hcl:"role_arn"`
	// DurationSeconds is for how long the credentials hold, in seconds; they
	// are renewed. 900 to 43200. Default 900.
	DurationSeconds int `hcl:"duration_seconds,optional"`
	// ExternalID is what the role's owner asks for.
	ExternalID string `hcl:"external_id,optional"`
	// Policy is a policy, as JSON, that narrows what the role may do.
	Policy string `hcl:"policy,optional"`
	// PolicyARNs are managed policies that narrow what the role may do.
	PolicyARNs []string `hcl:"policy_arns,optional"`
	// SessionName is the name of the session in logs. Default "ingot" and a
	// number.
	SessionName string `hcl:"session_name,optional"`
	// Tags are the tags of the session.
	Tags map[string]string `hcl:"tags,optional"`
	// TransitiveTagKeys are the tags that go on to roles taken on from this one.
	TransitiveTagKeys []string `hcl:"transitive_tag_keys,optional"`
}

// VaultAWSEngine is a role of a Vault server's AWS engine.
type VaultAWSEngine struct {
	// Name is the name of the Vault role.
	Name string `hcl:"name"`
	// RoleARN is the AWS role to take on, where the Vault role allows several.
	RoleARN string `hcl:"role_arn,optional"`
	// TTL is for how long the credentials hold, e.g. "1h". Default: Vault's.
	TTL string `hcl:"ttl,optional"`
	// EngineName is where the engine is mounted. Default "aws".
	EngineName string `hcl:"engine_name,optional"`
}

// Polling says how long to wait for images and instances.
type Polling struct {
	// DelaySeconds is how long to wait between two questions, in seconds.
	// Default 1.
	DelaySeconds int `hcl:"delay_seconds,optional"`
	// MaxAttempts is how often to ask before giving up; together with
	// delay_seconds it is a time. Default: 2 hours for an image, 10 minutes for
	// an instance.
	MaxAttempts int `hcl:"max_attempts,optional"`
}

// CheckAccess checks the options. Errors are *component.OptionError.
func (c AccessConfig) CheckAccess() error {
	switch hasKey, hasSecret := c.AccessKey != "", c.SecretKey.Reveal() != ""; {
	case hasKey && !hasSecret:
		return component.Errorf("secret_key", "is missing: access_key is set")
	case hasSecret && !hasKey:
		return component.Errorf("access_key", "is missing: secret_key is set")
	case c.Token.Reveal() != "" && !hasKey:
		return component.Errorf("token", "needs access_key and secret_key")
	case hasKey && c.Profile != "":
		return component.Errorf("profile", "is set together with access_key: use one of them")
	case hasKey && c.VaultAWSEngine != nil:
		return component.Errorf("vault_aws_engine", "is set together with access_key: use one of them")
	case c.VaultAWSEngine != nil && c.Profile != "":
		return component.Errorf("vault_aws_engine", "is set together with profile: use one of them")
	case c.MaxRetries < 0:
		return component.Errorf("max_retries", "must not be negative")
	}
	if e := c.CustomEndpointEC2; e != "" {
		if u, err := url.Parse(e); err != nil || u.Host == "" {
			return component.Errorf("custom_endpoint_ec2", "%q is not a URL such as https://ec2.example.com", e)
		}
	}
	if v := c.VaultAWSEngine; v != nil && v.TTL != "" {
		if _, err := time.ParseDuration(v.TTL); err != nil {
			return component.Errorf("vault_aws_engine.ttl", "%q is not a duration such as \"1h\"", v.TTL)
		}
	}
	p, err := c.polling()
	if err != nil {
		return err
	}
	if p.DelaySeconds < 0 || p.MaxAttempts < 0 {
		return component.Errorf("aws_polling", "its numbers must not be negative")
	}
	return c.checkRole()
}

func (c AccessConfig) checkRole() error {
	r := c.AssumeRole
	switch {
	case r == nil:
		return nil
	case r.RoleARN == "":
		return component.Errorf("assume_role.role_arn", "is empty")
	case r.DurationSeconds != 0 && (r.DurationSeconds < 900 || r.DurationSeconds > 43200):
		return component.Errorf("assume_role.duration_seconds", "%d is not between 900 and 43200", r.DurationSeconds)
	}
	for _, k := range r.TransitiveTagKeys {
		if _, ok := r.Tags[k]; !ok {
			return component.Errorf("assume_role.transitive_tag_keys", "%q is not one of the tags", k)
		}
	}
	return nil
}

// polling is aws_polling, else what AWS_POLL_DELAY_SECONDS, AWS_MAX_ATTEMPTS
// and AWS_TIMEOUT_SECONDS of the environment say, as with Packer.
func (c AccessConfig) polling() (Polling, error) {
	if c.Polling != nil {
		return *c.Polling, nil
	}
	var p Polling
	var timeout int
	for name, to := range map[string]*int{"AWS_POLL_DELAY_SECONDS": &p.DelaySeconds, "AWS_MAX_ATTEMPTS": &p.MaxAttempts, "AWS_TIMEOUT_SECONDS": &timeout} {
		text := os.Getenv(name)
		if text == "" {
			continue
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 {
			return Polling{}, component.Errorf("", "%s of the environment is %q: a whole number of 0 or more is needed", name, text)
		}
		*to = n
	}
	if p.MaxAttempts == 0 && timeout > 0 {
		p.MaxAttempts = max(1, timeout/max(1, p.DelaySeconds))
	}
	return p, nil
}

// pollDelay is the time between two questions; 0 is the poller's own.
func (c AccessConfig) pollDelay() time.Duration {
	p, _ := c.polling() // CheckAccess has seen its error
	return time.Duration(p.DelaySeconds) * time.Second
}

// patience is how long to wait for something that usually takes less than
// usual.
func (c AccessConfig) patience(usual time.Duration) time.Duration {
	p, _ := c.polling() // as above
	if p.MaxAttempts == 0 {
		return usual
	}
	return time.Duration(p.MaxAttempts) * max(time.Second, c.pollDelay())
}
