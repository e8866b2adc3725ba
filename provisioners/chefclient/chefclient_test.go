package chefclient

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// folder holds the keys of the tests.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"validation.pem": "hunter2\n", "bags": "hunter2\n", "client.tpl": "chef_server_url \"{{.ServerUrl}}\"\n{{if .SslVerifyMode}}x{{end}}local_mode true\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	c.ServerURL = "https://chef.example/organizations/web"
	change(c)
	return c
}

func TestLower(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"least": func(*Config) {},
		"most": func(c *Config) {
			c.NodeName, c.PolicyName, c.PolicyGroup, c.ClientKey = "web-1", "web", "prod", "/etc/chef/client.pem"
			c.ValidationClientName, c.ValidationKeyPath, c.EncryptedDataBagSecretPath = "validator", "validation.pem", "bags"
			c.SSLVerifyMode, c.TrustedCertsDir, c.ChefEnvironment, c.ChefLicense = "verify_none", "/etc/chef/certs", "prod", "accept"
			c.RunList, c.JSONString = []string{"role[web]"}, secret.Sensitive(`{"password": "hunter2"}`)
			c.StagingDirectory, c.SkipInstall = "/opt/stage", true
		},
		"all stays": func(c *Config) {
			c.SkipCleanNode, c.SkipCleanClient, c.SkipCleanStagingDirectory, c.PreventSudo = true, true, true, true
			c.ConfigTemplate, c.ValidationKeyPath, c.SkipInstall = "client.tpl", "validation.pem", true
		},
		"own commands": func(c *Config) {
			c.InstallCommand, c.ExecuteCommand = secret.Plain("install {{.Version}}"), secret.Plain("run {{.ConfigPath}} {{.JsonPath}}")
			c.KnifeCommand, c.Version, c.SkipCleanClient = secret.Sensitive("hunter2 {{.Args}} {{.Flags}}"), "18", true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Golden(t, config(change), folder(t))
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		option, want string
		change       func(*Config)
	}{
		{"server_url", "must not be empty", func(c *Config) { c.ServerURL = "" }},
		{"policy_name", "needs policy_group", func(c *Config) { c.PolicyName = "web" }},
		{"policy_group", "needs policy_name", func(c *Config) { c.PolicyGroup = "web" }},
		{"ssl_verify_mode", "is neither", func(c *Config) { c.SSLVerifyMode = "none" }},
		{"validation_key_path", "there is no file nowhere", func(c *Config) { c.ValidationKeyPath = "nowhere" }},
		{"config_template", "there is no file nowhere", func(c *Config) { c.ConfigTemplate = "nowhere" }},
		{"json_string", "is not a JSON object", func(c *Config) { c.JSONString = secret.Plain("1") }},
		{"guest_os_type", "is not supported", func(c *Config) { c.GuestOSType = "windows" }},
		{"knife_command", "Nothing", func(c *Config) { c.KnifeCommand = secret.Plain("{{.Nothing}}") }},
	} {
		provisionertest.Refuses(t, config(tt.change), folder(t), tt.option, tt.want)
	}
}
