// Package ansiblelocal is the provisioner "ansible-local": it uploads playbooks
// and runs them with the Ansible of the machine.
package ansiblelocal

import (
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// Config is the options of the provisioner. Ansible must be installed on the
// machine: a shell provisioner that comes before can do that.
type Config struct {
	// PlaybookFile is the playbook to run, a file of this host. One of
	// playbook_file and playbook_files is needed.
	PlaybookFile string `hcl:"playbook_file,optional"`
	// PlaybookFiles are playbooks to run one after the other. Those that are in
	// playbook_dir are run there.
	PlaybookFiles []string `hcl:"playbook_files,optional"`
	// PlaybookDir is a folder whose content is uploaded to the staging folder
	// before all else.
	PlaybookDir string `hcl:"playbook_dir,optional"`
	// PlaybookPaths are folders to upload below "playbooks" in the staging
	// folder.
	PlaybookPaths []string `hcl:"playbook_paths,optional"`
	// RolePaths are the folders of roles to upload below "roles".
	RolePaths []string `hcl:"role_paths,optional"`
	// CollectionPaths are the folders of collections to upload below
	// "collections".
	CollectionPaths []string `hcl:"collection_paths,optional"`
	// GroupVars is a folder with the variables of groups to upload.
	GroupVars string `hcl:"group_vars,optional"`
	// HostVars is a folder with the variables of hosts to upload.
	HostVars string `hcl:"host_vars,optional"`

	// Command is what runs a playbook, as text for the machine's shell.
	// Default "ANSIBLE_FORCE_COLOR=1 PYTHONUNBUFFERED=1 ansible-playbook".
	Command string `hcl:"command,optional"`
	// ExtraArguments are further arguments, as text for the machine's shell.
	// Sensitive values are accepted in extra variables ("-e" or "--extra-vars",
	// and the variables as an element of their own) and go to Ansible in a file.
	ExtraArguments []secret.String `hcl:"extra_arguments,optional"`
	// InventoryFile is an inventory of this host to upload. It should limit the
	// play to the machine. Default: an inventory of 127.0.0.1 alone.
	InventoryFile string `hcl:"inventory_file,optional"`
	// InventoryGroups are groups that 127.0.0.1 is in, each a name or several
	// with commas in between.
	InventoryGroups []string `hcl:"inventory_groups,optional"`

	// GalaxyFile is a requirements file: its roles and collections are
	// installed on the machine before the play.
	GalaxyFile string `hcl:"galaxy_file,optional"`
	// GalaxyCommand installs them, as text for the machine's shell. Default
	// "ansible-galaxy".
	GalaxyCommand string `hcl:"galaxy_command,optional"`
	// GalaxyForceInstall installs also what is there already (--force).
	// Default false.
	GalaxyForceInstall bool `hcl:"galaxy_force_install,optional"`
	// GalaxyRolesPath is the folder of the machine that roles are installed to.
	// Default: "roles" in the staging folder.
	GalaxyRolesPath string `hcl:"galaxy_roles_path,optional"`
	// GalaxyCollectionsPath is the same for collections. Default:
	// "collections" in the staging folder.
	GalaxyCollectionsPath string `hcl:"galaxy_collections_path,optional"`

	// StagingDirectory is the folder of the machine that all is uploaded to.
	// Default: one of its own below "/tmp/packer-provisioner-ansible-local".
	StagingDirectory string `hcl:"staging_directory,optional"`
	// CleanStagingDirectory removes that folder after the play. Default false.
	CleanStagingDirectory bool `hcl:"clean_staging_directory,optional"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "ansible-local", New: func() provisioners.Provisioner {
		return &Config{Command: "ANSIBLE_FORCE_COLOR=1 PYTHONUNBUFFERED=1 ansible-playbook", GalaxyCommand: "ansible-galaxy"}
	}}
}
