package chefsolo

import (
	"testing"

	"github.com/zclconf/go-cty/cty"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// folder holds the cookbooks of the tests.
func folder(t *testing.T) string {
	t.Helper()
	return provisionertest.Files(t, map[string]string{
		"cookbooks/web/recipes/default.rb": "file '/etc/motd'\n",
		"roles/web.json":                   "{}\n", "bags/users/a.json": "{}\n", "environments/prod.json": "{}\n",
		"key": "hunter2\n", "bad.tpl": "{{.Nothing}}\n",
		"solo.rb.tpl": `cookbook_path [{{.CookbookPaths}}]
{{if .HasRolesPath}}role_path "{{.RolesPath}}"{{end}}{{if .HasDataBagsPath}}no{{end}}
file_cache_path "/tmp/packer-chef-solo/cache"
`,
	})
}

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func TestLower(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"least": func(*Config) {},
		"most": func(c *Config) {
			c.CookbookPaths, c.RemoteCookbookPaths = []string{"cookbooks", "roles"}, []string{`/opt/a "b"`}
			c.RolesPath, c.DataBagsPath, c.EnvironmentsPath = "roles", "bags", "environments"
			c.ChefEnvironment, c.EncryptedDataBagSecretPath, c.Version = "prod", "key", "18.2"
			c.RunList = []string{"recipe[web]", "role[web]"}
			c.JSONString = secret.Plain(`{"run_list": [], "a": {"n": 10000000000000000001, "html": "<b>"}}`)
		},
		"sensitive": func(c *Config) {
			c.JSONString, c.SkipInstall, c.PreventSudo = secret.Sensitive(`{"password": "hunter2"}`), true, true
			c.ExecuteCommand = secret.Sensitive("echo hunter2 | chef-solo -c {{.ConfigPath}} -j {{.JsonPath}}")
			c.StagingDirectory, c.ChefLicense = "/opt/stage", "accept"
		},
		"object": func(c *Config) {
			c.JSON = cty.ObjectVal(map[string]cty.Value{"a": cty.NumberIntVal(1), "b": cty.StringVal("hunter2").Mark(component.Sensitive)})
			c.JSONString, c.SkipInstall = secret.Plain(`{"a": 2}`), true
		},
		"own configuration": func(c *Config) {
			c.ConfigTemplate, c.RolesPath, c.CookbookPaths = "solo.rb.tpl", "roles", []string{"cookbooks"}
			c.InstallCommand = secret.Plain("{{if .Sudo}}sudo {{end}}apt-get install chef{{if .Version}}={{.Version}}{{end}}")
			c.ChefEnvironment = "prod"
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
		{"cookbook_paths", "there is no folder nowhere", func(c *Config) { c.CookbookPaths = []string{"nowhere"} }},
		{"roles_path", `"key" is a file`, func(c *Config) { c.RolesPath = "key" }},
		{"data_bags_path", "there is no folder nowhere", func(c *Config) { c.DataBagsPath = "nowhere" }},
		{"environments_path", "there is no folder nowhere", func(c *Config) { c.EnvironmentsPath = "nowhere" }},
		{"encrypted_data_bag_secret_path", "there is no file nowhere", func(c *Config) { c.EncryptedDataBagSecretPath = "nowhere" }},
		{"config_template", "there is no file nowhere", func(c *Config) { c.ConfigTemplate = "nowhere" }},
		{"config_template", "Nothing", func(c *Config) { c.ConfigTemplate = "bad.tpl" }},
		{"json_string", "is not a JSON object: json", func(c *Config) { c.JSONString = secret.Plain("[1]") }},
		{"json_string", "is not a JSON object", func(c *Config) { c.JSONString = secret.Sensitive("hunter2") }},
		{"json_string", "more after its end", func(c *Config) { c.JSONString = secret.Plain("{} {}") }},
		{"json_string", "it is null", func(c *Config) { c.JSONString = secret.Plain("null") }},
		{"json", "is not an object", func(c *Config) { c.JSON = cty.StringVal("x") }},
		{"chef_environment", "needs environments_path", func(c *Config) { c.ChefEnvironment = "prod" }},
		{"chef_license", "is none of", func(c *Config) { c.ChefLicense = "yes" }},
		{"guest_os_type", "is not supported", func(c *Config) { c.GuestOSType = "windows" }},
		{"execute_command", "Nothing", func(c *Config) { c.ExecuteCommand = secret.Plain("{{.Nothing}}") }},
		{"install_command", "Nothing", func(c *Config) { c.InstallCommand = secret.Plain("{{.Nothing}}") }},
	} {
		provisionertest.Refuses(t, config(tt.change), folder(t), tt.option, tt.want)
	}
}
