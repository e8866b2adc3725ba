package ansible

import (
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func windowsInput(dir string) provisioners.Input {
	in := provisionertest.Input(dir)
	in.BuilderType, in.ConnType = "amazon-ebs", "winrm"
	return in
}

// TestLowerWindows is what plays over WinRM come to: the password is in no
// argument and in no file of the template.
func TestLowerWindows(t *testing.T) {
	t.Parallel()
	no := false
	for name, change := range map[string]func(*Config){
		"windows": func(c *Config) { c.UseProxy, c.User, c.GalaxyFile = &no, "Administrator", "requirements.yml" },
		"windows arguments": func(c *Config) {
			c.UseProxy, c.AnsibleWinRMUseHTTP, c.SkipVersionCheck = &no, true, true
			c.InventoryFileTemplate = "{{.HostAlias}} ansible_host={{.Host}} ansible_user={{.User}} ansible_connection=winrm ansible_winrm_server_cert_validation=ignore"
			c.ExtraArguments = append(provisionertest.Plain("-e", "ansible_winrm_transport=ntlm", "-e", "ansible_password="+op.Token("build.Password"),
				"--extra-vars"), secret.Sensitive("winrm_password=hunter2"))
		},
		"windows inventory": func(c *Config) { c.InventoryFile = "hosts/all" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.GoldenFor(t, config(func(c *Config) {
				c.PlaybookFile = "play/site.yml"
				change(c)
			}), windowsInput(folder(t)))
		})
	}
}

func TestRefusedWindows(t *testing.T) {
	t.Parallel()
	dir, yes := folder(t), true
	for name, tt := range map[string]struct {
		change       func(*Config)
		option, want string
	}{
		"the proxy":           {func(c *Config) { c.UseProxy = &yes }, "use_proxy", "the proxy speaks SSH"},
		"a plugin":            {func(c *Config) { c.ExtraArguments = provisionertest.Plain("--connection", "packer") }, "extra_arguments", "no proxy for WinRM"},
		"a plugin's variable": {func(c *Config) { c.ExtraArguments = provisionertest.Plain("-e", "ansible_connection=packer") }, "extra_arguments", "no proxy for WinRM"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.RefusesFor(t, config(func(c *Config) {
				c.PlaybookFile = "play/site.yml"
				tt.change(c)
			}), windowsInput(dir), tt.option, tt.want)
		})
	}
}
