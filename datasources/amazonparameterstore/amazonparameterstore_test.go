package amazonparameterstore_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/builders/amazon/amazontest"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/datasources/amazonparameterstore"
)

func TestRead(t *testing.T) {
	t.Parallel()
	c := amazontest.Start(t)
	access := amazon.AccessConfig{Region: "eu-west-1"}
	r, err := access.Home(t.Context(), c.Host)
	if err != nil {
		t.Fatal(err)
	}
	client := ssm.NewFromConfig(r.Config)
	for range 2 {
		_, err = client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: aws.String("/web/password"), Value: aws.String("correct horse"),
			Type: types.ParameterTypeSecureString, Overwrite: aws.Bool(true)})
		if err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string, decrypt bool) (amazonparameterstore.Output, error) {
		cfg := &amazonparameterstore.Config{AccessConfig: access, Name: name, WithDecryption: decrypt}
		if err := cfg.Check(); err != nil {
			return amazonparameterstore.Output{}, err
		}
		got, err := cfg.Read(t.Context(), datasources.Input{Host: c.Host})
		if err != nil {
			return amazonparameterstore.Output{}, err
		}
		return got.(amazonparameterstore.Output), nil
	}
	out, err := read("/web/password", true)
	if err != nil || out.Value != "correct horse" || out.Version != "2" || !strings.HasSuffix(out.ARN, ":parameter/web/password") {
		t.Errorf("got %+v, %v", out, err)
	}
	if text := c.Host.Secrets.Redact("it is correct horse"); strings.Contains(text, "horse") {
		t.Errorf("the value is shown: %s", text)
	}
	if out, err = read("/web/password", false); err != nil || out.Value == "correct horse" {
		t.Errorf("not decrypted: %+v, %v", out, err)
	}
	if _, err = read("/web/other", true); err == nil || !strings.Contains(err.Error(), "read the parameter /web/other") || !strings.Contains(builders.Hint(err), "put-parameter --region eu-west-1 --name /web/other") {
		t.Errorf("missing: %v, hint %q", err, builders.Hint(err))
	}
	if _, err = read("", true); err == nil {
		t.Error("no name is taken")
	}
}
