// Package chefsolo is the provisioner "chef-solo": it runs Chef on the machine
// without a server, with cookbooks of this host.
package chefsolo

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/chef"
	"github.com/ingot-build/ingot/provisioners/staging"
)

// Config is the options of the provisioner.
type Config struct {
	// CookbookPaths are folders of this host that cookbooks are in.
	CookbookPaths []string `hcl:"cookbook_paths,optional"`
	// RemoteCookbookPaths are folders of the machine that cookbooks are in
	// already. They are looked through first.
	RemoteCookbookPaths []string `hcl:"remote_cookbook_paths,optional"`
	// RolesPath is a folder of this host with roles.
	RolesPath string `hcl:"roles_path,optional"`
	// DataBagsPath is a folder of this host with data bags.
	DataBagsPath string `hcl:"data_bags_path,optional"`
	// EnvironmentsPath is a folder of this host with environments.
	EnvironmentsPath string `hcl:"environments_path,optional"`
	chef.Options
	// StagingDirectory is the folder of the machine that all of this is put
	// into. Default a folder in /tmp that no other run has, which is removed
	// afterwards; where an option names it, "/tmp/packer-chef-solo", which
	// stays.
	StagingDirectory string `hcl:"staging_directory,optional"`
	// ExecuteCommand is the command that runs Chef. Its fields are {{.Sudo}},
	// {{.ConfigPath}} and {{.JsonPath}}. Default chef-solo, with sudo unless
	// prevent_sudo is set.
	ExecuteCommand secret.String `hcl:"execute_command,optional" template:"late"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "chef-solo", New: func() provisioners.Provisioner { return &Config{} }}
}

const defaultCommand = `{{if .Sudo}}sudo {{end}}chef-solo --no-color -c {{.ConfigPath}} -j {{.JsonPath}}`

// Lower puts cookbooks and configuration onto the machine and runs Chef.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	template, err := c.Template(in, "")
	if err != nil {
		return nil, err
	}
	command := c.ExecuteCommand
	if command.Reveal() == "" {
		command = secret.Plain(defaultCommand)
	}
	folder := staging.New(in, staging.Options{Tool: "chef", Chosen: c.StagingDirectory, Sudo: !c.PreventSudo, Packer: "/tmp/packer-chef-solo",
		Mentions: slices.Concat(c.Mentions(), c.RemoteCookbookPaths, []string{command.Reveal(), template})})
	config, err := c.configuration(in, folder, template)
	if err != nil {
		return nil, err
	}
	return c.Run(in, folder, chef.Run{Tool: "chef-solo", Command: command, Config: config, ConfigName: "solo.rb", NodeName: "node.json"})
}

func (c *Config) check() error {
	if err := c.Check(); err != nil {
		return err
	}
	if c.ChefEnvironment != "" && c.EnvironmentsPath == "" && c.ConfigTemplate == "" {
		return component.Errorf("chef_environment", "needs environments_path, the folder that describes it")
	}
	return nil
}

// configuration puts the folders onto the machine and returns the text of
// solo.rb, which names them.
func (c *Config) configuration(in provisioners.Input, folder *staging.Folder, template string) (secret.String, error) {
	var cookbooks []string
	for _, dir := range c.RemoteCookbookPaths {
		cookbooks = append(cookbooks, chef.String(dir))
	}
	for i, host := range c.CookbookPaths {
		dir, err := folder.Tree("cookbook_paths", host, fmt.Sprintf("cookbooks-%d", i))
		if err != nil {
			return secret.String{}, err
		}
		cookbooks = append(cookbooks, chef.String(dir))
	}
	fields := staging.Fields{"CookbookPaths": strings.Join(cookbooks, ","), "ChefEnvironment": c.ChefEnvironment, "ChefLicense": c.License()}
	for _, t := range []struct{ field, option, host, name string }{
		{"RolesPath", "roles_path", c.RolesPath, "roles"},
		{"DataBagsPath", "data_bags_path", c.DataBagsPath, "data_bags"},
		{"EnvironmentsPath", "environments_path", c.EnvironmentsPath, "environments"},
	} {
		fields[t.field], fields["Has"+t.field] = "", staging.Flag(t.host != "")
		if t.host == "" {
			continue
		}
		var err error
		if fields[t.field], err = folder.Tree(t.option, t.host, t.name); err != nil {
			return secret.String{}, err
		}
	}
	key, err := c.Secret(folder)
	if err != nil {
		return secret.String{}, err
	}
	fields["EncryptedDataBagSecretPath"], fields["HasEncryptedDataBagSecretPath"] = key, staging.Flag(key != "")
	if template != "" {
		return staging.Render(in, "config_template", secret.Plain(template), fields)
	}
	return secret.Plain(standard(fields)), nil
}

// standard is solo.rb where the template has none of its own.
func standard(fields staging.Fields) string {
	var b strings.Builder
	fmt.Fprintf(&b, "cookbook_path [%s]\n", fields["CookbookPaths"])
	for _, s := range []struct{ setting, field string }{
		{"chef_license", "ChefLicense"},
		{"role_path", "RolesPath"},
		{"data_bag_path", "DataBagsPath"},
		{"encrypted_data_bag_secret", "EncryptedDataBagSecretPath"},
		{"environment_path", "EnvironmentsPath"},
		{"environment", "ChefEnvironment"},
	} {
		if v := fields[s.field]; v != "" {
			fmt.Fprintf(&b, "%s %s\n", s.setting, chef.String(v))
		}
	}
	return b.String()
}
