package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/builders/amazon/amazontest"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/secret"
)

const secretTemplate = `
locals {
  password = aws_secretsmanager("web", "password")
  whole    = aws_secretsmanager_raw("web")
}
source "null" "a" { communicator = "none" }
build {
  sources = ["null.a"]
  provisioner "shell-local" {
    inline = [
      "echo ${local.password} ${jsondecode(local.whole).user}",
      "echo {{ aws_secretsmanager ` + "`web` `user`" + ` }} {{ aws_secretsmanager_raw ` + "`plain`" + ` }}",
    ]
  }
}
`

// loaded loads a template whose functions ask the services of host.
func loaded(t *testing.T, host builders.Host, template string) (*lang.Template, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "t.pkr.hcl")
	if err := os.WriteFile(path, []byte(template), 0o600); err != nil {
		t.Fatal(err)
	}
	tpl, diags := lang.Load(lang.Options{Path: path, Now: time.Now(), Secrets: host.Secrets, Version: packerLevel, RunID: "run",
		Readers: readers(t.Context(), func() builders.Host { return host })})
	if diags.HasErrors() {
		return tpl, diags
	}
	return tpl, nil
}

// TestSecretsManagerFunctions has templates read secrets, by functions and by
// those of Go templates.
func TestSecretsManagerFunctions(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1")
	c := amazontest.Start(t)
	access := amazon.AccessConfig{Region: "eu-west-1"}
	region, err := access.Home(t.Context(), c.Host)
	if err != nil {
		t.Fatal(err)
	}
	client := secretsmanager.NewFromConfig(region.Config)
	for name, text := range map[string]string{"web": `{"user":"root","password":"correct horse"}`, "plain": "battery staple"} {
		if _, err := client.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: &name, SecretString: aws.String(text)}); err != nil {
			t.Fatal(err)
		}
	}
	tpl, err := loaded(t, c.Host, secretTemplate)
	if err != nil {
		t.Fatal(err)
	}
	p, diags := plan.Compile(tpl, components(), plan.Options{Host: c.Host})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	script, err := p.Builds[0].Steps[0].Ops[0].(*op.Local).Inputs[0].Blob.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer script.Close()
	content, err := io.ReadAll(script)
	if err != nil {
		t.Fatal(err)
	}
	text := string(content)
	for _, want := range []string{"echo correct horse root\n", "echo root battery staple\n"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in %q", want, text)
		}
	}
	if shown := c.Host.Secrets.Redact(text); strings.Contains(shown, "horse") || strings.Contains(shown, "staple") {
		t.Errorf("it is shown: %s", shown)
	}
}

// TestUnreachableSecretsManager has a service that refuses connections be an
// error soon: it is not waited for as by those that have made something.
func TestUnreachableSecretsManager(t *testing.T) {
	t.Setenv("AWS_REGION", "eu-west-1")
	host := builders.Host{Dir: t.TempDir(), Cache: t.TempDir(), Secrets: &secret.Set{}, Shared: &sync.Map{},
		Sandbox: &builders.Sandbox{AWS: "http://127.0.0.1:1", AWSKey: "AKIDSANDBOX", AWSSecret: "sandbox"}}
	_, err := loaded(t, host, secretTemplate)
	if err == nil || !strings.Contains(err.Error(), "http://127.0.0.1:1 does not answer (connection refused)") {
		t.Error(err)
	}
}
