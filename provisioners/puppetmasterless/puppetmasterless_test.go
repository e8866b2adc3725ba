package puppetmasterless

import (
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// folder holds the manifests of the tests.
func folder(t *testing.T) string {
	t.Helper()
	return provisionertest.Files(t, map[string]string{
		"site.pp":                     "include web\n",
		"manifests/a.pp":              "include web\n",
		"modules/web/manifests/ok.pp": "class web { }\n",
		"hiera.yaml":                  "version: 5\n",
	})
}

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	c.ManifestFile = "site.pp"
	change(c)
	return c
}

func TestLower(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"least", "most", "chosen and cleaned", "manifest folder", "sensitive", "own command", "ignored"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Golden(t, config(cases[name]), folder(t))
		})
	}
}

var cases = map[string]func(*Config){
	"least": func(*Config) {},
	"most": func(c *Config) {
		c.ModulePaths, c.HieraConfigPath, c.ManifestDir = []string{"modules", "manifests"}, "hiera.yaml", "manifests"
		c.Facter = map[string]secret.String{"role": secret.Plain("it's a web"), "id": secret.Plain(op.Token("build.ID"))}
		c.ExtraArguments = []secret.String{secret.Plain("--verbose"), secret.Plain(`{{if ne .ModulePath ""}}--show_diff{{end}}`)}
		c.PuppetBinDir, c.WorkingDirectory = "/opt/puppetlabs/bin", "/srv"
	},
	"chosen and cleaned": func(c *Config) {
		c.StagingDirectory, c.CleanStagingDirectory, c.PreventSudo = "/opt/stage", true, true
	},
	"manifest folder": func(c *Config) {
		c.ManifestFile, c.StagingDirectory = "manifests", "/opt/stage"
	},
	"sensitive": func(c *Config) {
		c.Facter = map[string]secret.String{"password": secret.Sensitive("hunter2")}
		c.ExtraArguments = []secret.String{secret.Sensitive("--password=hunter2")}
	},
	"own command": func(c *Config) {
		c.ExecuteCommand = secret.Plain(`ls /tmp/packer-puppet-masterless; {{if .HasHieraConfigPath}}hiera{{end}} {{if ne .PuppetBinDir ""}}{{.PuppetBinDir}}/{{end}}puppet {{.ManifestFile}} {{.ModulePathJoiner}}`)
		c.GuestOSType = "Unix"
	},
	"ignored": func(c *Config) { c.IgnoreExitCodes = true },
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		option, want string
		change       func(*Config)
	}{
		{"manifest_file", "must not be empty", func(c *Config) { c.ManifestFile = "" }},
		{"manifest_file", "there is no file nowhere.pp", func(c *Config) { c.ManifestFile = "nowhere.pp" }},
		{"manifest_dir", "there is no folder nowhere", func(c *Config) { c.ManifestDir = "nowhere" }},
		{"module_paths", `"site.pp" is a file`, func(c *Config) { c.ModulePaths = []string{"site.pp"} }},
		{"hiera_config_path", `"modules" is a folder`, func(c *Config) { c.HieraConfigPath = "modules" }},
		{"guest_os_type", "is not supported", func(c *Config) { c.GuestOSType = "windows" }},
		{"guest_os_type", "is none of", func(c *Config) { c.GuestOSType = "dos" }},
		{"execute_command", "Nothing", func(c *Config) { c.ExecuteCommand = secret.Plain("{{.Nothing}}") }},
		{"extra_arguments", "Nothing", func(c *Config) { c.ExtraArguments = []secret.String{secret.Plain("{{.Nothing}}")} }},
		{"facter", "is not the name of a fact", func(c *Config) { c.Facter = map[string]secret.String{"a-b": {}} }},
		{"facter", "zero byte", func(c *Config) { c.Facter = map[string]secret.String{"a": secret.Sensitive("hunter2\x00")} }},
	} {
		provisionertest.Refuses(t, config(tt.change), folder(t), tt.option, tt.want)
	}
}
