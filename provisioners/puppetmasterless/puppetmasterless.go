// Package puppetmasterless is the provisioner "puppet-masterless": it runs
// puppet apply on the machine, with manifests and modules of this host.
package puppetmasterless

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/puppet"
	"github.com/ingot-build/ingot/provisioners/staging"
)

// Config is the options of the provisioner.
type Config struct {
	// ManifestFile is the manifest to apply: a file of this host, or a folder
	// of several.
	ManifestFile string `hcl:"manifest_file"`
	// ManifestDir is a folder of this host with more manifests. It is given to
	// puppet as --manifestdir, which puppet 4 and later do not know: there
	// manifest_file is the folder.
	ManifestDir string `hcl:"manifest_dir,optional"`
	// ModulePaths are folders of this host that modules are in.
	ModulePaths []string `hcl:"module_paths,optional"`
	// HieraConfigPath is the path of a Hiera configuration on this host. Its
	// data must be on the machine already: a provisioner "file" can bring it.
	HieraConfigPath string `hcl:"hiera_config_path,optional"`
	puppet.Options
	// StagingDirectory is the folder of the machine that all of this is put
	// into. Default a folder in /tmp that no other run has, which is removed
	// afterwards; with hiera_config_path, or where an option names it,
	// "/tmp/packer-puppet-masterless", which stays.
	StagingDirectory string `hcl:"staging_directory,optional"`
	// ExecuteCommand is the command that runs puppet. Its fields are
	// {{.FacterVars}}, {{.Sudo}}, {{.PuppetBinDir}}, {{.WorkingDir}},
	// {{.ModulePath}}, {{.ModulePathJoiner}}, {{.HasHieraConfigPath}},
	// {{.HieraConfigPath}}, {{.ManifestDir}}, {{.ManifestFile}} and
	// {{.ExtraArguments}}. Those that were not set are empty. Default puppet
	// apply --detailed-exitcodes with all that was set.
	ExecuteCommand secret.String `hcl:"execute_command,optional" template:"late"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "puppet-masterless", New: func() provisioners.Provisioner { return &Config{} }}
}

const defaultCommand = `cd {{.WorkingDir}} && {{.FacterVars}} {{if .Sudo}}sudo -E {{end}}` +
	`{{if .PuppetBinDir}}{{.PuppetBinDir}}/{{end}}puppet apply --detailed-exitcodes` +
	`{{if .ModulePath}} --modulepath='{{.ModulePath}}'{{end}}` +
	`{{if .HieraConfigPath}} --hiera_config='{{.HieraConfigPath}}'{{end}}` +
	`{{if .ManifestDir}} --manifestdir='{{.ManifestDir}}'{{end}}` +
	`{{if .ExtraArguments}} {{.ExtraArguments}}{{end}} {{.ManifestFile}}`

// packerFolder is where Packer puts the files.
const packerFolder = "/tmp/packer-puppet-masterless"

// joiner is between the folders of a module path.
const joiner = ":"

// Lower puts manifests and modules onto the machine and runs puppet.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	if err := staging.CheckGuest(c.GuestOSType); err != nil {
		return nil, err
	}
	command := c.ExecuteCommand
	if command.Reveal() == "" {
		command = secret.Plain(defaultCommand)
	}
	mentions := c.Mentions(command)
	if c.HieraConfigPath != "" {
		mentions = append(mentions, packerFolder) // data that an earlier step has put beside it
	}
	folder := staging.New(in, staging.Options{Tool: "puppet", Chosen: c.StagingDirectory, Clean: c.CleanStagingDirectory,
		Sudo: !c.PreventSudo, Packer: packerFolder, Mentions: mentions})
	fields, err := c.stage(in, folder)
	if err != nil {
		return nil, err
	}
	return c.Options.Lower(in, folder, puppet.Run{Title: "puppet apply", Command: command, Fields: fields})
}

// stage puts the files into the folder and returns the fields that name them.
func (c *Config) stage(in provisioners.Input, folder *staging.Folder) (staging.Fields, error) {
	fields := staging.Fields{"HieraConfigPath": "", "HasHieraConfigPath": staging.Flag(c.HieraConfigPath != ""),
		"ManifestDir": "", "ModulePathJoiner": joiner}
	var err error
	if c.HieraConfigPath != "" {
		if fields["HieraConfigPath"], err = folder.File("hiera_config_path", c.HieraConfigPath, "hiera.yaml"); err != nil {
			return nil, err
		}
	}
	if c.ManifestDir != "" {
		if fields["ManifestDir"], err = folder.Tree("manifest_dir", c.ManifestDir, "manifests"); err != nil {
			return nil, err
		}
	}
	var modules []string
	for i, host := range c.ModulePaths {
		dir, err := folder.Tree("module_paths", host, fmt.Sprintf("module-%d", i))
		if err != nil {
			return nil, err
		}
		modules = append(modules, dir)
	}
	fields["ModulePath"] = strings.Join(modules, joiner)
	fields["ManifestFile"], err = c.manifest(in, folder)
	return fields, err
}

// manifest puts the manifest, or the folder of several, into the folder.
func (c *Config) manifest(in provisioners.Input, folder *staging.Folder) (string, error) {
	if c.ManifestFile == "" {
		return "", component.Errorf("manifest_file", "must not be empty")
	}
	if st, err := os.Stat(in.Path(c.ManifestFile)); err == nil && st.IsDir() {
		return folder.Tree("manifest_file", c.ManifestFile, "manifests")
	}
	return folder.File("manifest_file", c.ManifestFile, "manifests/"+filepath.Base(c.ManifestFile))
}
