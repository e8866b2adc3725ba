// Package ansible is the provisioner "ansible": it runs ansible-playbook on
// this host, over the connection to the machine.
package ansible

import (
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// Config is the options of the provisioner.
type Config struct {
	// PlaybookFile is the playbook to run, a file of this host.
	PlaybookFile string `hcl:"playbook_file"`
	// Command is the program to run it with: a name on the PATH, or the path of
	// a script that ends by running ansible-playbook with its arguments.
	// Default "ansible-playbook".
	Command string `hcl:"command,optional"`
	// ExtraArguments are further arguments of the command, each as it is: no
	// shell takes quotes away. Sensitive values are accepted in extra variables
	// (-e, --extra-vars) and go to Ansible in a file.
	ExtraArguments []secret.String `hcl:"extra_arguments,optional"`
	// AnsibleEnvVars are environment variables of the command, each as
	// "NAME=value".
	AnsibleEnvVars []secret.String `hcl:"ansible_env_vars,optional"`
	// AnsibleSSHExtraArgs are arguments of ssh. Default ["-o IdentitiesOnly=yes"].
	AnsibleSSHExtraArgs []string `hcl:"ansible_ssh_extra_args,optional"`

	// Groups are the groups of the inventory that the machine is in.
	Groups []string `hcl:"groups,optional"`
	// EmptyGroups are groups of the inventory with no machine in them.
	EmptyGroups []string `hcl:"empty_groups,optional"`
	// HostAlias is what the inventory calls the machine. Default "default".
	HostAlias string `hcl:"host_alias,optional"`
	// User is who Ansible logs in as. Default: the login of the build. Where
	// another one is set and use_proxy is not, Ansible goes through the proxy,
	// where all are the login.
	User string `hcl:"user,optional"`
	// InventoryFile is an inventory of this host to use in place of the one
	// that is made. It may be a folder.
	InventoryFile string `hcl:"inventory_file,optional"`
	// InventoryDirectory is the folder to write the inventory to, e.g. one with
	// group_vars and host_vars. Default: a temporary folder.
	InventoryDirectory string `hcl:"inventory_directory,optional"`
	// InventoryFileTemplate is the line of the machine in the inventory:
	// {{.HostAlias}}, {{.Host}}, {{.Port}} and {{.User}} are known, and what
	// build gives. Default
	// "{{.HostAlias}} ansible_host={{.Host}} ansible_user={{.User}} ansible_port={{.Port}}",
	// and over WinRM what Ansible needs for that (see Ansible).
	InventoryFileTemplate string `hcl:"inventory_file_template,optional" template:"late"`
	// KeepInventoryFile leaves the inventory that was made behind. Default false.
	KeepInventoryFile bool `hcl:"keep_inventory_file,optional"`

	// GalaxyFile is a requirements file: its roles and collections are
	// installed on this host before the play.
	GalaxyFile string `hcl:"galaxy_file,optional"`
	// GalaxyCommand installs them. Default "ansible-galaxy".
	GalaxyCommand string `hcl:"galaxy_command,optional"`
	// GalaxyForceInstall installs also what is there already (--force).
	// Default false.
	GalaxyForceInstall bool `hcl:"galaxy_force_install,optional"`
	// GalaxyForceWithDeps does so for dependencies too (--force-with-deps).
	// Default false.
	GalaxyForceWithDeps bool `hcl:"galaxy_force_with_deps,optional"`
	// RolesPath is the folder that roles are installed to. Unless
	// ansible_env_vars or an ansible.cfg says otherwise, the play finds them
	// there. Default: Ansible's own.
	RolesPath string `hcl:"roles_path,optional"`
	// CollectionsPath is the same for collections.
	CollectionsPath string `hcl:"collections_path,optional"`

	// UseProxy says how Ansible gets to the machine: true is by an SSH server
	// on this host that passes all on over the connection of the build; false
	// is by itself. Default: by itself, where plain ssh with a key gets there.
	// Packer's default is true. Over WinRM there is no proxy.
	UseProxy *bool `hcl:"use_proxy,optional"`
	// LocalPort is the first of ten ports that the proxy tries to listen at.
	// Default: any.
	LocalPort int `hcl:"local_port,optional"`
	// SSHHostKeyFile is the private host key of the proxy. Default: one made
	// for the run.
	SSHHostKeyFile string `hcl:"ssh_host_key_file,optional"`
	// SSHAuthorizedKeyFile is the public key that the proxy lets in; Ansible
	// must have its private key. Default: one made for the run.
	SSHAuthorizedKeyFile string `hcl:"ssh_authorized_key_file,optional"`
	// AnsibleProxyKeyType is the kind of the keys that are made for the proxy:
	// "ECDSA", "RSA" or "ED25519". Default "ECDSA".
	AnsibleProxyKeyType string `hcl:"ansible_proxy_key_type,optional"`
	// SFTPCommand is what the proxy runs on the machine to serve SFTP, e.g.
	// "/usr/lib/sftp-server -e". Default: what the machine has set up for it.
	SFTPCommand string `hcl:"sftp_command,optional"`
	// UseSFTP says how Ansible moves files: true is by sftp, false by scp.
	// Default: as Ansible is set up, which tries both.
	UseSFTP *bool `hcl:"use_sftp,optional"`
	// SkipVersionCheck does not look for the command before the machine is
	// launched: a step that comes before may install it. Default false.
	SkipVersionCheck bool `hcl:"skip_version_check,optional"`
	// AnsibleWinRMUseHTTP has plays reach a machine of WinRM by HTTP, also where
	// the build does by HTTPS or the inventory does not say. Default false.
	AnsibleWinRMUseHTTP bool `hcl:"ansible_winrm_use_http,optional"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "ansible", New: func() provisioners.Provisioner {
		return &Config{
			Command: "ansible-playbook", GalaxyCommand: "ansible-galaxy", HostAlias: "default",
			AnsibleSSHExtraArgs: []string{"-o IdentitiesOnly=yes"},
		}
	}}
}

func (c *Config) check(in provisioners.Input) error {
	for _, f := range []struct {
		option, path string
		folder       bool
	}{
		{"playbook_file", c.PlaybookFile, false}, {"galaxy_file", c.GalaxyFile, false},
		{"ssh_host_key_file", c.SSHHostKeyFile, false}, {"ssh_authorized_key_file", c.SSHAuthorizedKeyFile, false},
		{"inventory_directory", c.InventoryDirectory, true},
	} {
		if err := present(in, f.option, f.path, f.folder); err != nil {
			return err
		}
	}
	kinds := []string{"", "ecdsa", "rsa", "ed25519"}
	switch {
	case c.PlaybookFile == "":
		return component.Errorf("playbook_file", "must not be empty")
	case c.Command == "":
		return component.Errorf("command", "must not be empty")
	case c.HostAlias == "":
		return component.Errorf("host_alias", "must not be empty")
	case c.LocalPort < 0 || c.LocalPort > 65535:
		return component.Errorf("local_port", "%d is not a port: it must be between 1 and 65535", c.LocalPort)
	case !slices.Contains(kinds, strings.ToLower(c.AnsibleProxyKeyType)):
		return component.Errorf("ansible_proxy_key_type", "%q is none of ECDSA, RSA and ED25519", c.AnsibleProxyKeyType)
	case in.ConnType == winrm && c.UseProxy != nil && *c.UseProxy:
		e := component.Errorf("use_proxy", `the proxy speaks SSH, and communicator is "winrm"`)
		e.Advice = "leave it out: plays reach the machine by WinRM themselves"
		return e
	case c.InventoryFile != "" && c.InventoryDirectory != "":
		return component.Errorf("inventory_directory", "has no meaning beside inventory_file: no inventory is made")
	case c.InventoryFile != "" && c.InventoryFileTemplate != "":
		return component.Errorf("inventory_file_template", "has no meaning beside inventory_file: no inventory is made")
	}
	if c.InventoryFile != "" {
		if _, err := os.Stat(in.Path(c.InventoryFile)); err != nil {
			return component.Errorf("inventory_file", "there is no %s", c.InventoryFile)
		}
	}
	return nil
}

func present(in provisioners.Input, option, path string, folder bool) error {
	if path == "" {
		return nil
	}
	st, err := os.Stat(in.Path(path))
	switch {
	case err != nil && folder:
		return component.Errorf(option, "there is no folder %s", path)
	case err != nil:
		return component.Errorf(option, "there is no file %s", path)
	case st.IsDir() && !folder:
		return component.Errorf(option, "%s is a folder, not a file", path)
	case !st.IsDir() && folder:
		return component.Errorf(option, "%s is a file, not a folder", path)
	}
	return nil
}

// connection is how the play gets to the machine.
func (c *Config) connection(in provisioners.Input) *op.Connection {
	conn := &op.Connection{Route: op.RouteAuto, User: c.User, Proxy: op.Proxy{
		Port: c.LocalPort, KeyType: strings.ToLower(c.AnsibleProxyKeyType), SFTPCommand: c.SFTPCommand,
		HostKeyFile: absolute(in, c.SSHHostKeyFile), AuthorizedKeyFile: absolute(in, c.SSHAuthorizedKeyFile),
	}}
	switch own := c.User != "" || c.InventoryFile != "" || c.InventoryFileTemplate != ""; {
	case c.UseProxy != nil && *c.UseProxy:
		conn.Route = op.RouteProxy
	case c.UseProxy != nil && own: // the template knows how to get there
		conn.Route = op.RouteDirect
	}
	return conn
}

func absolute(in provisioners.Input, path string) string {
	if path == "" {
		return ""
	}
	if abs, err := filepath.Abs(in.Path(path)); err == nil {
		return abs
	}
	return in.Path(path)
}
