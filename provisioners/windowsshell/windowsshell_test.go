package windowsshell

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	change(c)
	return c
}

func TestLower(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.bat"), []byte("echo a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"inline": {func(c *Config) {
			c.Inline = []secret.String{secret.Plain("echo %P%"), secret.Plain("exit 2")}
			c.Env = map[string]secret.String{"P": secret.Sensitive(provisionertest.Secret)}
			c.ValidExitCodes = []int{2}
		}, `
cmd "c:/Windows/Temp/script.bat"
  INGOT_BUILDER_TYPE=docker
  INGOT_BUILD_NAME=web
  P=<sensitive>
  PACKER_BUILDER_TYPE=docker
  PACKER_BUILD_NAME=web
  input c:/Windows/Temp/script.bat 0644
    echo %P%` + "\r" + `
    exit 2` + "\r" + `
  ok [2]
  start within 5m0s
`},
		"a format": {func(c *Config) {
			c.Scripts = []string{"a.bat", "a.bat"}
			c.EnvVarFormat = "set %s=%s&&"
			c.RemotePath = `C:\x.cmd`
			c.ValidExitCodes = []int{0, 16001}
		}, `
cmd set INGOT_BUILDER_TYPE=docker&&set INGOT_BUILD_NAME=web&&set PACKER_BUILDER_TYPE=docker&&set PACKER_BUILD_NAME=web&&"C:\x.cmd"
  input C:\x.cmd 0644 from DIR/a.bat
    echo a
  may disconnect
  ok [0 16001]
  start within 5m0s
cmd set INGOT_BUILDER_TYPE=docker&&set INGOT_BUILD_NAME=web&&set PACKER_BUILDER_TYPE=docker&&set PACKER_BUILD_NAME=web&&"C:\x.cmd"
  input C:\x.cmd 0644 from DIR/a.bat
    echo a
  may disconnect
  ok [0 16001]
  start within 5m0s
`},
		"a command with a secret": {func(c *Config) {
			c.Script = "a.bat"
			c.EnvironmentVars = []secret.String{secret.Sensitive("P=" + provisionertest.Secret + "%")}
			c.ExecuteCommand = secret.Plain(`{{.Vars}} call "{{.Path}}"`)
		}, `
cmd "c:/Windows/Temp/command-SCRATCH-2-0.cmd"
  input c:/Windows/Temp/script.bat 0644 from DIR/a.bat
    echo a
  input c:/Windows/Temp/command-SCRATCH-2-0.cmd 0644, sensitive
    @set "INGOT_BUILDER_TYPE=docker" && set "INGOT_BUILD_NAME=web" && set "P=hunter2%%" && set "PACKER_BUILDER_TYPE=docker" && set "PACKER_BUILD_NAME=web" &&  call "c:/Windows/Temp/script.bat"` + "\r" + `
  start within 5m0s
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Lowers(t, config(test.change), dir, test.want)
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
