package puppetserver

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// folder holds a certificate and a key.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"certs/web.pem": "certificate\n", "keys/web.pem": "hunter2\n"} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func TestLower(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"least": func(*Config) {},
		"most": func(c *Config) {
			c.PuppetServer, c.PuppetNode = "puppet.example", "web.example"
			c.ClientCertPath, c.ClientPrivateKeyPath = "certs", "keys"
			c.ExtraArguments = []secret.String{secret.Plain("--test"), secret.Plain("--waitforcert=0")}
			c.Facter = map[string]secret.String{"password": secret.Sensitive("hunter2"), "role": secret.Plain("web")}
			c.PuppetBinDir, c.PreventSudo = "/opt/puppetlabs/bin", true
		},
		"chosen": func(c *Config) {
			c.StagingDir, c.ClientCertPath, c.ClientPrivateKeyPath = "/opt/stage", "certs", "keys"
		},
		"chosen and cleaned": func(c *Config) {
			c.StagingDirectory, c.CleanStagingDirectory, c.IgnoreExitCodes = "/opt/stage", true, true
			c.ExecuteCommand = secret.Plain(`{{.FacterVars}} puppet agent {{if .Sudo}}as root{{end}} in {{.WorkingDir}} {{.PuppetServer}}{{.ClientCertPath}}`)
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
		{"client_cert_path", "there is no folder nowhere", func(c *Config) { c.ClientCertPath = "nowhere" }},
		{"client_private_key_path", `"keys/web.pem" is a file`, func(c *Config) { c.ClientPrivateKeyPath = "keys/web.pem" }},
		{"guest_os_type", "is not supported", func(c *Config) { c.GuestOSType = "windows" }},
		{"staging_directory", "is another name", func(c *Config) { c.StagingDir, c.StagingDirectory = "/a", "/b" }},
		{"execute_command", "ManifestFile", func(c *Config) { c.ExecuteCommand = secret.Plain("{{.ManifestFile}}") }},
	} {
		provisionertest.Refuses(t, config(tt.change), folder(t), tt.option, tt.want)
	}
}
