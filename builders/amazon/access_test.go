package amazon

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/secret"
)

// realHost is a host without a sandbox, whose environment leads to the cloud of
// the test all the same.
func realHost(t *testing.T, l *lab) builders.Host {
	t.Helper()
	t.Setenv("HOME", t.TempDir())
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, "")
		os.Unsetenv(name)
	}
	if l != nil {
		t.Setenv("AWS_ENDPOINT_URL", l.Host.Sandbox.AWS)
	}
	return builders.Host{Dir: t.TempDir(), Secrets: &secret.Set{}, Shared: &sync.Map{}}
}

func reach(t *testing.T, h builders.Host, c AccessConfig) (*Region, error) {
	t.Helper()
	a, err := c.Open(h)
	if err != nil {
		t.Fatal(err)
	}
	return a.Region(t.Context(), "")
}

func TestNoCredentials(t *testing.T) {
	h := realHost(t, nil)
	_, err := reach(t, h, AccessConfig{Region: home})
	if err == nil || !strings.Contains(err.Error(), "there are no AWS credentials") || !strings.Contains(builders.Hint(err), "AWS_PROFILE") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
	_, err = reach(t, h, AccessConfig{Region: home, Profile: "work"})
	if err == nil || err.Error() != `there is no profile "work"` || builders.Hint(err) == "" {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
}

// A build whose options name no region has that of the configuration, also where
// another, which names one, was first to reach the account.
func TestRegionOfAnother(t *testing.T) {
	h := realHost(t, nil)
	t.Setenv("AWS_REGION", "ap-south-1")
	keys := AccessConfig{AccessKey: "AKIDSANDBOX", SecretKey: secret.Sensitive("sandbox")}
	named := keys
	named.Region = "eu-west-1"
	for _, c := range []struct {
		AccessConfig
		want string
	}{{named, "eu-west-1"}, {keys, "ap-south-1"}} {
		r, err := reach(t, h, c.AccessConfig)
		if err != nil || r.Name != c.want {
			t.Errorf("region %v, %v, want %s", r, err, c.want)
		}
	}
}

func TestNoRegion(t *testing.T) {
	h := realHost(t, nil)
	_, err := reach(t, h, AccessConfig{AccessKey: "AKIDSANDBOX", SecretKey: secret.Sensitive("sandbox")})
	if err == nil || !strings.Contains(err.Error(), "no region to build in") || !strings.Contains(builders.Hint(err), "AWS_REGION") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
}

// TestProfile takes keys and region from a profile, and a role on top.
func TestProfile(t *testing.T) {
	l := newLab(t)
	_, err := l.region(home).IAM().CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: aws.String("builder"), AssumeRolePolicyDocument: aws.String(trustEC2)})
	if err != nil {
		t.Fatal(err)
	}
	sent := l.listen()
	h := realHost(t, l)
	file := filepath.Join(h.Dir, "credentials")
	text := "[work]\naws_access_key_id = AKIDSANDBOX\naws_secret_access_key = sandbox\nregion = eu-north-1\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = reach(t, h, AccessConfig{Profile: "work", SharedCredentialsFile: file, AssumeRole: &AssumeRole{RoleARN: "arn:aws:iam::123456789012:role/nobody"}})
	if err == nil || !strings.Contains(err.Error(), "get credentials: User:") || !strings.Contains(err.Error(), "(AccessDenied)") {
		t.Errorf("error %v", err)
	}
	c := AccessConfig{Profile: "work", SharedCredentialsFile: "credentials", AssumeRole: &AssumeRole{
		RoleARN: "arn:aws:iam::123456789012:role/builder", ExternalID: "x", SessionName: "s", DurationSeconds: 900,
		Tags: map[string]string{"a": "b"}, TransitiveTagKeys: []string{"a"}, Policy: `{"Version":"2012-10-17","Statement":[]}`,
		PolicyARNs: []string{"arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/AmazonEC2FullAccess"},
	}}
	r, err := reach(t, h, c)
	if err != nil {
		t.Fatalf("%v, hint %q", err, builders.Hint(err))
	}
	if r.Name != "eu-north-1" {
		t.Errorf("region %s", r.Name)
	}
	if _, err := r.Account(t.Context()); err != nil {
		t.Fatal(err)
	}
	role := sent.last("AssumeRole")
	for name, want := range map[string]string{
		"RoleArn": c.AssumeRole.RoleARN, "ExternalId": "x", "RoleSessionName": "s", "DurationSeconds": "900", "Policy": c.AssumeRole.Policy,
		"PolicyArns.member.1.arn": c.AssumeRole.PolicyARNs[0], "PolicyArns.member.2.arn": c.AssumeRole.PolicyARNs[1],
		"Tags.member.1.Key": "a", "Tags.member.1.Value": "b", "TransitiveTagKeys.member.1": "a",
	} {
		if got := role.Get(name); got != want {
			t.Errorf("%s of the role is %q, want %q", name, got, want)
		}
	}
	a, err := c.Open(h)
	if err != nil {
		t.Fatal(err)
	}
	if place := a.Place(); place["profile"] != "work" || place["role_arn"] == "" || place["shared_credentials_file"] != file {
		t.Errorf("in the journal: %v", place)
	}
	same, err := a.Region(t.Context(), "eu-north-1")
	if err != nil || same != r {
		t.Errorf("two builds that reach an account in the same way share nothing: %v", err)
	}
}

// TestEndpoint reaches EC2 at another address, also in other regions.
func TestEndpoint(t *testing.T) {
	l := newLab(t)
	h := realHost(t, nil)
	a, err := AccessConfig{Region: home, AccessKey: "AKIDSANDBOX", SecretKey: secret.Sensitive("sandbox"), CustomEndpointEC2: l.Host.Sandbox.AWS}.Open(h)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{home, "eu-west-1"} {
		r, err := a.Region(t.Context(), name)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Enabled(t.Context(), []string{"eu-west-1"}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVault(t *testing.T) {
	h := realHost(t, nil)
	var asked string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.String() + " " + r.Header.Get("X-Vault-Token")
		if strings.Contains(r.URL.Path, "nobody") {
			w.WriteHeader(http.StatusForbidden)
			_, _ = w.Write([]byte(`{"errors":["permission denied"]}`))
			return
		}
		_, _ = w.Write([]byte(`{"lease_duration":3600,"data":{"access_key":"AKIDV","secret_key":"secret-of-vault","security_token":"token-of-vault"}}`))
	}))
	defer server.Close()
	t.Setenv("VAULT_ADDR", server.URL)
	t.Setenv("VAULT_TOKEN", "root")
	r, err := reach(t, h, AccessConfig{Region: home, VaultAWSEngine: &VaultAWSEngine{Name: "builder", EngineName: "cloud", TTL: "1h"}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := r.Config.Credentials.Retrieve(t.Context())
	if err != nil || got.AccessKeyID != "AKIDV" || got.SessionToken != "token-of-vault" || !got.CanExpire {
		t.Errorf("%+v, %v", got, err)
	}
	if got := h.Secrets.Redact("secret-of-vault token-of-vault"); got != secret.Redacted+" "+secret.Redacted {
		t.Errorf("shown: %s", got)
	}
	if asked != "/v1/cloud/creds/builder?ttl=1h root" {
		t.Errorf("asked for %s", asked)
	}
	_, err = reach(t, h, AccessConfig{Region: home, VaultAWSEngine: &VaultAWSEngine{Name: "nobody"}})
	if err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("error %v", err)
	}
}
