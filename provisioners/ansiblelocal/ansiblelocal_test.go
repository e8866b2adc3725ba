package ansiblelocal

import (
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func folder(t *testing.T) string {
	t.Helper()
	return provisionertest.Files(t, map[string]string{
		"site.yml": "- hosts: all\n", "more.yml": "- hosts: all\n", "play/deep/in.yml": "- hosts: all\n", "play/top.yml": "- hosts: all\n",
		"play/roles/web/tasks/main.yml": "[]\n", "roles/db/tasks/main.yml": "[]\n", "books/a.yml": "[]\n", "coll/ns/x.yml": "[]\n",
		"group_vars/all.yml": "{}\n", "host_vars/one.yml": "{}\n", "hosts": "127.0.0.1\n",
		"requirements.yml": "roles:\n  - name: c\ncollections: [a.b]\n",
	})
}

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func TestLower(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"a playbook": func(c *Config) { c.PlaybookFile = "site.yml" },
		"a folder": func(c *Config) {
			c.PlaybookDir, c.PlaybookFile, c.CleanStagingDirectory, c.StagingDirectory = "play/", "play/top.yml", true, "/srv/stage/"
		},
		"playbooks": func(c *Config) {
			c.PlaybookDir, c.PlaybookFiles = "play", []string{"play/deep/in.yml", "top.yml", "more.yml"}
		},
		"all that goes along": func(c *Config) {
			c.PlaybookFile, c.PlaybookPaths, c.RolePaths, c.CollectionPaths = "site.yml", []string{"books"}, []string{"roles/db"}, []string{"coll"}
			c.GroupVars, c.HostVars, c.InventoryFile = "group_vars", "host_vars", "hosts"
			c.ExtraArguments = append(provisionertest.Plain("--limit", "127.0.0.1", `"quoted for a shell"`, "--extra-vars"),
				secret.Sensitive(`"password=hunter2 x=y"`), secret.Sensitive("--extra-vars=p=hunter2"))
		},
		"groups": func(c *Config) { c.PlaybookFile, c.InventoryGroups = "site.yml", []string{"a,b", "c"} },
		"galaxy": func(c *Config) {
			c.PlaybookFile, c.GalaxyFile, c.GalaxyForceInstall, c.Command = "site.yml", "requirements.yml", true, "sudo ansible-playbook"
			c.GalaxyRolesPath = "/etc/ansible/roles"
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
	dir := folder(t)
	for name, tt := range map[string]struct {
		change       func(*Config)
		option, want string
	}{
		"nothing":        {func(c *Config) { c.PlaybookFile = "" }, "playbook_file", "is needed"},
		"both":           {func(c *Config) { c.PlaybookFiles = []string{"more.yml"} }, "playbook_files", "beside playbook_file"},
		"no playbook":    {func(c *Config) { c.PlaybookFile = "none.yml" }, "playbook_file", "there is no none.yml"},
		"no folder":      {func(c *Config) { c.PlaybookDir = "none" }, "playbook_dir", "there is no none"},
		"a file":         {func(c *Config) { c.RolePaths = []string{"site.yml"} }, "role_paths", "not a folder"},
		"no inventory":   {func(c *Config) { c.InventoryFile = "none" }, "inventory_file", "there is no none"},
		"groups":         {func(c *Config) { c.InventoryFile, c.InventoryGroups = "hosts", []string{"a"} }, "inventory_groups", "no meaning"},
		"galaxy":         {func(c *Config) { c.GalaxyFile = "none" }, "galaxy_file", "there is no none"},
		"a shown secret": {func(c *Config) { c.ExtraArguments = []secret.String{secret.Sensitive("--limit=hunter2")} }, "extra_arguments", "command line"},
		"the password":   {func(c *Config) { c.ExtraArguments = provisionertest.Plain("--limit=" + op.Token("build.Password")) }, "extra_arguments", "command line"},
		"two words": {func(c *Config) {
			c.ExtraArguments = append(provisionertest.Plain("-e"), secret.Sensitive("a=hunter2 b=c"))
		}, "extra_arguments", "one word"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Refuses(t, config(func(c *Config) {
				c.PlaybookFile = "site.yml"
				tt.change(c)
			}), dir, tt.option, tt.want)
		})
	}
}
