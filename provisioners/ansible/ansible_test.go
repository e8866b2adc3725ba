package ansible

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func folder(t *testing.T) string {
	t.Helper()
	return provisionertest.Files(t, map[string]string{
		"play/site.yml": "- hosts: all\n", "play/roles/web/tasks/main.yml": "[]\n", "play/group_vars/all.yml": "{}\n",
		"play/site.retry": "old\n", "play/.git/HEAD": "old\n", "play/notes.txt": "kept\n",
		"site.yml": "- hosts: all\n", "roles/web/tasks/main.yml": "[]\n", "out/web.tar": "made\n", "manifest.json": "{}\n",
		"galaxy/roles/theirs/meta/.galaxy_install_info": "installed\n", "galaxy/roles/ours/tasks/main.yml": "[]\n",
		"requirements.yml": "collections:\n  - name: a.b\nroles:\n  - name: c\n", "roles.yml": "- src: c\n",
		"hosts/all": "default\n", "hosts/group_vars/all.yml": "{}\n", "vars.json": "{}\n", "vault": "pass\n",
		"host_key": "key\n", "user.pub": "key\n",
	})
}

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func TestLower(t *testing.T) {
	t.Parallel()
	yes, no := true, false
	for name, change := range map[string]func(*Config, string){
		"defaults": func(c *Config, _ string) { c.PlaybookFile = "play/site.yml" },
		"beside the template": func(c *Config, dir string) {
			c.PlaybookFile = dir + "/site.yml" // as ${path.cwd} gives it
		},
		"arguments": func(c *Config, _ string) {
			c.PlaybookFile = "play/site.yml"
			c.ExtraArguments = append(provisionertest.Plain("-vv", "--extra-vars", "a=b", "-e", "@vars.json", "--vault-password-file=vault",
				"--ssh-common-args", "-o ServerAliveInterval=9", "--limit", "it's", "-e", "host="+op.Token("build.Host")+` word="two words"`),
				secret.Plain("--extra-vars"), secret.Sensitive("password=hunter2 x='a b'"), secret.Sensitive(`--extra-vars={"p":"hunter2"}`))
			c.AnsibleEnvVars = append(provisionertest.Plain("ANSIBLE_NOCOLOR=True"), secret.Sensitive("TOKEN=hunter2"))
			c.AnsibleSSHExtraArgs = []string{"-o IdentitiesOnly=yes", "-o HostKeyAlgorithms=+ssh-rsa"}
		},
		"into the container": func(c *Config, _ string) {
			c.PlaybookFile = "play/site.yml"
			c.ExtraArguments = provisionertest.Plain("-c", "docker", "--extra-vars", "ansible_host=web ansible_connection=docker",
				"-e", "ansible_connection='community.docker.docker' says='two  words' ansible_host="+op.Token("build.ID"))
		},
		"inventory": func(c *Config, _ string) {
			c.PlaybookFile, c.Groups, c.EmptyGroups, c.HostAlias = "play/site.yml", []string{"web", "db"}, []string{"none"}, "box"
			c.InventoryDirectory, c.KeepInventoryFile = "hosts", true
			c.InventoryFileTemplate = "{{ .HostAlias }} ansible_host={{ .Host }} ansible_user={{ .User }} ansible_port={{ .Port }} x=y\n"
		},
		"own inventory": func(c *Config, _ string) {
			c.PlaybookFile, c.InventoryFile, c.UseProxy, c.UseSFTP = "play/site.yml", "hosts/all", &no, &no
		},
		"kept inventory": func(c *Config, _ string) { c.PlaybookFile, c.KeepInventoryFile = "play/site.yml", true },
		"proxy": func(c *Config, _ string) {
			c.PlaybookFile, c.UseProxy, c.User, c.UseSFTP = "play/site.yml", &yes, "ann", &yes
			c.LocalPort, c.AnsibleProxyKeyType, c.SFTPCommand = 2200, "RSA", "/usr/lib/sftp-server -e"
			c.SSHHostKeyFile, c.SSHAuthorizedKeyFile = "host_key", "user.pub"
		},
		"galaxy": func(c *Config, _ string) {
			c.PlaybookFile, c.GalaxyFile, c.RolesPath, c.CollectionsPath = "play/site.yml", "requirements.yml", "galaxy/roles", "galaxy/collections"
			c.GalaxyForceInstall, c.GalaxyForceWithDeps = true, true
		},
		"galaxy of roles alone": func(c *Config, _ string) {
			c.PlaybookFile, c.GalaxyFile, c.SkipVersionCheck = "play/site.yml", "roles.yml", true
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := folder(t)
			provisionertest.Golden(t, config(func(c *Config) { change(c, dir) }), dir)
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
		"no playbook":     {func(c *Config) { c.PlaybookFile = "none.yml" }, "playbook_file", "there is no file none.yml"},
		"a folder":        {func(c *Config) { c.PlaybookFile = "play" }, "playbook_file", "is a folder"},
		"no galaxy file":  {func(c *Config) { c.GalaxyFile = "none.yml" }, "galaxy_file", "there is no file"},
		"no inventory":    {func(c *Config) { c.InventoryFile = "none" }, "inventory_file", "there is no none"},
		"no folder":       {func(c *Config) { c.InventoryDirectory = "vars.json" }, "inventory_directory", "is a file"},
		"two inventories": {func(c *Config) { c.InventoryFile, c.InventoryFileTemplate = "hosts", "x" }, "inventory_file_template", "no meaning"},
		"a bad template":  {func(c *Config) { c.InventoryFileTemplate = "{{.Nope}}" }, "inventory_file_template", ""},
		"a port":          {func(c *Config) { c.LocalPort = 70000 }, "local_port", "70000 is not a port"},
		"a kind of key":   {func(c *Config) { c.AnsibleProxyKeyType = "DSA" }, "ansible_proxy_key_type", "none of"},
		"a variable":      {func(c *Config) { c.AnsibleEnvVars = provisionertest.Plain("NAME") }, "ansible_env_vars", "number 1"},
		"a shown secret":  {func(c *Config) { c.ExtraArguments = []secret.String{secret.Sensitive("--limit=hunter2")} }, "extra_arguments", "command line"},
		"the password": {func(c *Config) {
			c.ExtraArguments = provisionertest.Plain("--start-at-task=" + op.Token("build.Password"))
		}, "extra_arguments", "command line"},
		"no pairs": {func(c *Config) { c.ExtraArguments = append(provisionertest.Plain("-e"), secret.Sensitive("hunter2")) }, "extra_arguments", "name=value"},
		"docker connection": {func(c *Config) {
			c.ExtraArguments = provisionertest.Plain("--extra-vars", "ansible_host=x ansible_connection=podman")
		}, "extra_arguments", "no container"},
		"chroot option": {func(c *Config) { c.ExtraArguments = provisionertest.Plain("-c", "chroot") }, "extra_arguments", "no container"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Refuses(t, config(func(c *Config) {
				c.PlaybookFile = "play/site.yml"
				tt.change(c)
			}), dir, tt.option, tt.want)
		})
	}
}

// What a build writes beside its template does not count, nor does what galaxy
// has installed; what a play reads does.
func TestKey(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	c := config(func(c *Config) {
		c.PlaybookFile, c.GalaxyFile, c.RolesPath = "site.yml", "roles.yml", "galaxy/roles"
		c.ExtraArguments = []secret.String{secret.Plain("-i"), secret.Plain("inv/hosts")}
	})
	hash := func() any {
		ops, err := c.Lower(provisionertest.Input(dir))
		if err != nil {
			t.Fatal(err)
		}
		return op.Hash(ops)
	}
	change := func(name string) bool {
		before := hash()
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("other"), 0o600); err != nil {
			t.Fatal(err)
		}
		return hash() != before
	}
	if err := os.RemoveAll(filepath.Join(dir, "galaxy/roles/ours")); err != nil {
		t.Fatal(err)
	}
	for name, counts := range map[string]bool{
		"galaxy/roles/new/meta/.galaxy_install_info": false, "manifest.json": false, "out/web.tar": false, "galaxy/roles/theirs/README": false,
		"site.yml": true, "other.yml": true, "roles/web/tasks/main.yml": true, "galaxy/roles/ours/tasks/main.yml": true, "roles.yml": true, "ansible.cfg": true,
		"inv/hosts": true, "inv/group_vars/all.yml": true, "inv/host_vars/web.yml": true, "inv/other": false,
	} {
		if change(name) != counts {
			t.Errorf("%s: counts is %t", name, !counts)
		}
	}
}

// Where a template is checked out does not count.
func TestKeyElsewhere(t *testing.T) {
	t.Parallel()
	hash := func() any {
		dir := folder(t)
		c := config(func(c *Config) {
			c.PlaybookFile, c.RolesPath, c.CollectionsPath = dir+"/site.yml", dir+"/galaxy/roles", dir+"/galaxy/collections"
			c.InventoryFile, c.GalaxyFile = dir+"/hosts/all", dir+"/roles.yml"
		})
		ops, err := c.Lower(provisionertest.Input(dir))
		if err != nil {
			t.Fatal(err)
		}
		return op.Hash(ops)
	}
	if hash() != hash() {
		t.Error("the key depends on the folder")
	}
}
