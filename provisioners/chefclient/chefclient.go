// Package chefclient is the provisioner "chef-client": it runs Chef on the
// machine against a Chef server, and takes the machine off the server again.
package chefclient

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/chef"
	"github.com/ingot-build/ingot/provisioners/staging"
)

// Config is the options of the provisioner.
type Config struct {
	// ServerURL is the URL of the Chef server.
	ServerURL string `hcl:"server_url"`
	// NodeName is the name of the node on the server. Default "packer-" and
	// letters that no other run has; in a container always the same ones.
	NodeName string `hcl:"node_name,optional"`
	// PolicyName is the name of a policy. policy_group is needed with it.
	PolicyName string `hcl:"policy_name,optional"`
	// PolicyGroup is the group of the policy. policy_name is needed with it.
	PolicyGroup string `hcl:"policy_group,optional"`
	// ClientKey is the path of the node's key on the machine. Default
	// client.pem in the staging folder, which Chef makes.
	ClientKey string `hcl:"client_key,optional"`
	// ValidationClientName is the name of the client that may register nodes.
	// Default "chef-validator".
	ValidationClientName string `hcl:"validation_client_name,optional"`
	// ValidationKeyPath is the path of its key on this host. The key is on the
	// machine only while Chef runs, and only the login may read it.
	ValidationKeyPath string `hcl:"validation_key_path,optional"`
	// SSLVerifyMode is "verify_peer" or "verify_none". Default "verify_peer".
	SSLVerifyMode string `hcl:"ssl_verify_mode,optional"`
	// TrustedCertsDir is a folder of the machine with more certificates to
	// trust.
	TrustedCertsDir string `hcl:"trusted_certs_dir,optional"`
	chef.Options
	// StagingDirectory is the folder of the machine that the configuration is
	// put into. Default a folder in /tmp that no other run has; where an option
	// names it, "/tmp/packer-chef-client". It is removed afterwards.
	StagingDirectory string `hcl:"staging_directory,optional"`
	// SkipCleanStagingDirectory leaves the staging folder on the machine, if
	// the template chose it. Default false.
	SkipCleanStagingDirectory bool `hcl:"skip_clean_staging_directory,optional"`
	// SkipCleanNode leaves the node on the server. Default false.
	SkipCleanNode bool `hcl:"skip_clean_node,optional"`
	// SkipCleanClient leaves the client on the server. Default false.
	SkipCleanClient bool `hcl:"skip_clean_client,optional"`
	// ExecuteCommand is the command that runs Chef. Its fields are {{.Sudo}},
	// {{.ConfigPath}} and {{.JsonPath}}. Default chef-client, with sudo unless
	// prevent_sudo is set.
	ExecuteCommand secret.String `hcl:"execute_command,optional" template:"late"`
	// KnifeCommand is the command that takes node and client off the server.
	// Its fields are {{.Sudo}}, {{.Args}} and {{.Flags}}. Default knife, with
	// sudo unless prevent_sudo is set.
	KnifeCommand secret.String `hcl:"knife_command,optional" template:"late"`
	// ElevatedUser is for Windows.
	ElevatedUser string `hcl:"elevated_user,optional" refuse:"it is for Windows, which this provisioner does not support"`
	// ElevatedPassword is for Windows.
	ElevatedPassword secret.String `hcl:"elevated_password,optional" refuse:"it is for Windows, which this provisioner does not support"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "chef-client", New: func() provisioners.Provisioner { return &Config{} }}
}

const (
	defaultCommand = `{{if .Sudo}}sudo {{end}}chef-client --no-color -c {{.ConfigPath}} -j {{.JsonPath}}`
	defaultKnife   = `{{if .Sudo}}sudo {{end}}knife {{.Args}} {{.Flags}}`
	packerFolder   = "/tmp/packer-chef-client"
)

// Lower puts keys and configuration onto the machine and runs Chef.
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
	folder := c.folder(in, command.Reveal(), template)
	fields, err := c.stage(folder)
	if err != nil {
		return nil, err
	}
	config := secret.Plain(configuration(fields))
	if template != "" {
		if config, err = staging.Render(in, "config_template", secret.Plain(template), fields); err != nil {
			return nil, err
		}
	}
	knife, err := c.knife(in, folder, fields)
	if err != nil {
		return nil, err
	}
	return c.Run(in, folder, chef.Run{Tool: "chef-client", Command: command, Config: config, ConfigName: "client.rb",
		NodeName: "first-boot.json", Then: knife})
}

func (c *Config) check() error {
	if err := c.Check(); err != nil {
		return err
	}
	switch {
	case c.ServerURL == "":
		return component.Errorf("server_url", "must not be empty")
	case c.PolicyName != "" && c.PolicyGroup == "":
		return component.Errorf("policy_name", "needs policy_group beside it")
	case c.PolicyGroup != "" && c.PolicyName == "":
		return component.Errorf("policy_group", "needs policy_name beside it")
	case c.SSLVerifyMode != "" && c.SSLVerifyMode != "verify_peer" && c.SSLVerifyMode != "verify_none":
		return component.Errorf("ssl_verify_mode", `%q is neither "verify_peer" nor "verify_none"`, c.SSLVerifyMode)
	}
	return nil
}

func (c *Config) folder(in provisioners.Input, command, template string) *staging.Folder {
	mentions := slices.Concat(c.Mentions(), []string{command, template, c.KnifeCommand.Reveal(), c.ClientKey, c.TrustedCertsDir})
	chosen := c.StagingDirectory
	if chosen == "" && c.SkipCleanStagingDirectory {
		chosen = packerFolder // it is to be found afterwards
	}
	return staging.New(in, staging.Options{Tool: "chef", Chosen: chosen, Clean: !c.SkipCleanStagingDirectory,
		Sudo: !c.PreventSudo, Packer: packerFolder, Mentions: mentions})
}

// stage puts the keys into the folder and returns the fields of the
// configuration's template.
func (c *Config) stage(folder *staging.Folder) (staging.Fields, error) {
	fields := staging.Fields{
		"ChefEnvironment": c.ChefEnvironment, "ChefLicense": c.License(), "ClientKey": c.ClientKey, "NodeName": c.NodeName,
		"PolicyGroup": c.PolicyGroup, "PolicyName": c.PolicyName, "ServerUrl": c.ServerURL, "SslVerifyMode": c.SSLVerifyMode,
		"TrustedCertsDir": c.TrustedCertsDir, "ValidationClientName": c.ValidationClientName, "ValidationKeyPath": "",
	}
	if c.ClientKey == "" {
		fields["ClientKey"] = folder.Join("client.pem")
	}
	if c.NodeName == "" {
		fields["NodeName"] = "packer-" + op.Token(op.Scratch)
	}
	var err error
	if fields["EncryptedDataBagSecretPath"], err = c.Secret(folder); err != nil {
		return nil, err
	}
	if c.ValidationKeyPath != "" {
		fields["ValidationKeyPath"], err = folder.Secret("validation_key_path", hostfile.Path("", c.ValidationKeyPath), "validation.pem")
	}
	return fields, err
}

// configuration is client.rb where the template has none of its own.
func configuration(fields staging.Fields) string {
	if fields["ValidationClientName"] == "" {
		fields["ValidationClientName"] = "chef-validator"
	}
	return settings(fields, "ChefLicense", "EncryptedDataBagSecretPath", "ValidationClientName", "ValidationKeyPath",
		"ChefEnvironment", "PolicyGroup", "PolicyName")
}

// settings writes a configuration file that has what client.rb and knife.rb
// share, and those of more that are set.
func settings(fields staging.Fields, more ...string) string {
	names := map[string]string{
		"ServerUrl": "chef_server_url", "ClientKey": "client_key", "NodeName": "node_name", "ChefLicense": "chef_license",
		"EncryptedDataBagSecretPath": "encrypted_data_bag_secret", "ValidationClientName": "validation_client_name",
		"ValidationKeyPath": "validation_key", "ChefEnvironment": "environment", "PolicyGroup": "policy_group",
		"PolicyName": "policy_name", "TrustedCertsDir": "trusted_certs_dir",
	}
	b := &strings.Builder{}
	b.WriteString("log_level :info\nlog_location STDOUT\n")
	for _, field := range append([]string{"ServerUrl", "NodeName", "ClientKey", "TrustedCertsDir"}, more...) {
		if v := fields[field]; v != "" {
			fmt.Fprintf(b, "%s %s\n", names[field], chef.String(v))
		}
	}
	if v := fields["SslVerifyMode"]; v != "" {
		fmt.Fprintf(b, "ssl_verify_mode :%s\n", v)
	}
	return b.String()
}

// knife is the part of the script that takes the machine off the server, also
// when Chef has failed.
func (c *Config) knife(in provisioners.Input, folder *staging.Folder, fields staging.Fields) (secret.String, error) {
	var kinds []string
	if !c.SkipCleanNode {
		kinds = append(kinds, "node")
	}
	if !c.SkipCleanClient {
		kinds = append(kinds, "client")
	}
	if len(kinds) == 0 {
		return secret.String{}, nil
	}
	config := folder.Text("knife.rb", secret.Plain(settings(fields)))
	template := c.KnifeCommand
	if template.Reveal() == "" {
		template = secret.Plain(defaultKnife)
	}
	var parts []secret.String
	for _, kind := range kinds {
		command, err := staging.Render(in, "knife_command", template, staging.Fields{
			"Sudo": staging.Flag(!c.PreventSudo), "Args": kind + " delete " + fields["NodeName"], "Flags": "-y -c " + config})
		if err != nil {
			return command, err
		}
		parts = append(parts, command.With(fmt.Sprintf(
			"(\n%s\n) || { k=$?; echo 'the %s stays on the server' >&2; [ $rc != 0 ] || rc=$k; }\n", command.Reveal(), kind)))
	}
	return secret.Join(parts, ""), nil
}
