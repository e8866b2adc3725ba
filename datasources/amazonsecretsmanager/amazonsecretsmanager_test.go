package amazonsecretsmanager

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/builders/amazon/amazontest"
	"github.com/ingot-build/ingot/datasources"
)

func TestRead(t *testing.T) {
	t.Parallel()
	c := amazontest.Start(t)
	access := amazon.AccessConfig{Region: "eu-west-1"}
	r, err := access.Home(t.Context(), c.Host)
	if err != nil {
		t.Fatal(err)
	}
	client := secretsmanager.NewFromConfig(r.Config)
	made, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("web"),
		SecretString: aws.String(`{"user":"root","password":"correct horse"}`)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("bin"), SecretBinary: []byte{0, 1, 2}}); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		config      Config
		value, fail string
	}{
		{config: Config{Name: "web"}, value: "root"},
		{config: Config{Name: "web", Key: "password"}, value: "correct horse"},
		{config: Config{Name: "web", Key: "user", VersionStage: "AWSCURRENT"}, value: "root"},
		{config: Config{Name: "web", Key: "user", VersionID: aws.ToString(made.VersionId)}, value: "root"},
		{config: Config{Name: "web", Key: "pin"}, fail: `there is no key "pin" in it`},
		{config: Config{Name: "db"}, fail: "read the secret db"},
		{config: Config{Name: "web", VersionStage: "AWSPREVIOUS"}, fail: "read the secret web"},
	} {
		tc.config.AccessConfig = access
		got, err := tc.config.Read(t.Context(), datasources.Input{Host: c.Host})
		switch {
		case tc.fail != "":
			if err == nil || !strings.Contains(err.Error(), tc.fail) || builders.Hint(err) == "" {
				t.Errorf("%+v: error = %v, hint %q", tc.config, err, builders.Hint(err))
			}
		case err != nil:
			t.Errorf("%+v: %v", tc.config, err)
		case got.(Output).Value != tc.value || got.(Output).VersionID != aws.ToString(made.VersionId):
			t.Errorf("%+v: got %+v", tc.config, got)
		}
	}
	bin, err := (&Config{AccessConfig: access, Name: "bin"}).Read(t.Context(), datasources.Input{Host: c.Host})
	if err != nil || bin.(Output).SecretBinary != "AAEC" || bin.(Output).SecretString != "" {
		t.Errorf("binary: %+v, %v", bin, err)
	}
	if text := c.Host.Secrets.Redact("it is correct horse"); strings.Contains(text, "horse") {
		t.Errorf("the value is shown: %s", text)
	}
}

func TestValue(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ text, key, want, fail string }{
		{`plain`, "", "plain", ""},
		{`{"b":"2","a":"1"}`, "", "2", ""},
		{`{"b":2.50,"a":true,"n":null,"l":["x"]}`, "b", "2.50", ""},
		{`{"b":2.50,"a":true,"n":null,"l":["x"]}`, "a", "true", ""},
		{`{"b":2.50,"a":true,"n":null,"l":["x"]}`, "n", "null", ""},
		{`{"b":2.50,"a":true,"n":null,"l":["x"]}`, "l", `["x"]`, ""},
		{`{broken`, "", "{broken", ""},
		{`["a"]`, "", `["a"]`, ""},
		{`plain`, "a", "", "no JSON object"},
		{`{}`, "", "", "empty"},
	} {
		got, err := valueOf(tc.text, tc.key)
		if got != tc.want || (err == nil) != (tc.fail == "") || err != nil && !strings.Contains(err.Error(), tc.fail) {
			t.Errorf("valueOf(%q, %q) = %q, %v", tc.text, tc.key, got, err)
		}
	}
}
