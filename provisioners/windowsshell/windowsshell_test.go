package windowsshell

import (
	"testing"

	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func TestLower(t *testing.T) {
	t.Parallel()
	dir := provisionertest.Files(t, map[string]string{"a.bat": "echo a\n"})
	for name, change := range map[string]func(*Config){
		"inline": func(c *Config) {
			c.Inline = []secret.String{secret.Plain("echo %P%"), secret.Plain("exit 2")}
			c.Env = map[string]secret.String{"P": secret.Sensitive(provisionertest.Secret)}
			c.ValidExitCodes = []int{2}
		},
		"a format": func(c *Config) {
			c.Scripts = []string{"a.bat", "a.bat"}
			c.EnvVarFormat = "set %s=%s&&"
			c.RemotePath = `C:\x.cmd`
			c.ValidExitCodes = []int{0, 16001}
		},
		"a command with a secret": func(c *Config) {
			c.Script = "a.bat"
			c.EnvironmentVars = []secret.String{secret.Sensitive("P=" + provisionertest.Secret + "%")}
			c.ExecuteCommand = secret.Plain(`{{.Vars}} call "{{.Path}}"`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Golden(t, config(change), dir)
		})
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for option, change := range map[string]func(*Config){
		"remote_path":         func(c *Config) { c.RemotePath = `C:\x\` },
		"start_retry_timeout": func(c *Config) { c.StartRetryTimeout = -1 },
		"env_var_format":      func(c *Config) { c.EnvVarFormat = "%s" },
		"execute_command":     func(c *Config) { c.ExecuteCommand = secret.Plain("{{.None") },
	} {
		provisionertest.Refuses(t, config(func(c *Config) {
			c.Inline = []secret.String{secret.Plain("x")}
			change(c)
		}), t.TempDir(), option, "")
	}
}
