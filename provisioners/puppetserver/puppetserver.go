// Package puppetserver is the provisioner "puppet-server": it runs puppet
// agent once on the machine, against a Puppet server.
package puppetserver

import (
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/puppet"
	"github.com/ingot-build/ingot/provisioners/staging"
)

// Config is the options of the provisioner.
type Config struct {
	// PuppetServer is the host name of the server. Default: what the machine's
	// puppet is configured for, which is "puppet".
	PuppetServer string `hcl:"puppet_server,optional"`
	// PuppetNode is the name that the machine has for the server. Default the
	// machine's full host name.
	PuppetNode string `hcl:"puppet_node,optional"`
	// ClientCertPath is a folder of this host with the node's certificate.
	ClientCertPath string `hcl:"client_cert_path,optional"`
	// ClientPrivateKeyPath is a folder of this host with the node's private
	// key. What is in it is on the machine only while puppet runs, and only
	// the login may read it.
	ClientPrivateKeyPath string `hcl:"client_private_key_path,optional"`
	puppet.Options
	// StagingDir is the folder of the machine that certificate and key are put
	// into. Default a folder in /tmp that no other run has, which is removed
	// afterwards; where an option names it, "/tmp/packer-puppet-server", which
	// stays.
	StagingDir string `hcl:"staging_dir,optional"`
	// StagingDirectory is another name of staging_dir.
	StagingDirectory string `hcl:"staging_directory,optional"`
	// ExecuteCommand is the command that runs puppet. Its fields are
	// {{.FacterVars}}, {{.Sudo}}, {{.PuppetBinDir}}, {{.WorkingDir}},
	// {{.PuppetServer}}, {{.PuppetNode}}, {{.ClientCertPath}},
	// {{.ClientPrivateKeyPath}} and {{.ExtraArguments}}. Those that were not
	// set are empty. Default puppet agent --onetime --no-daemonize
	// --detailed-exitcodes --logdest=console with all that was set.
	ExecuteCommand secret.String `hcl:"execute_command,optional" template:"late"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "puppet-server", New: func() provisioners.Provisioner { return &Config{} }}
}

const defaultCommand = `cd {{.WorkingDir}} && {{.FacterVars}} {{if .Sudo}}sudo -E {{end}}` +
	`{{if .PuppetBinDir}}{{.PuppetBinDir}}/{{end}}puppet agent --onetime --no-daemonize --detailed-exitcodes --logdest=console` +
	`{{if .PuppetServer}} --server='{{.PuppetServer}}'{{end}}` +
	`{{if .PuppetNode}} --certname='{{.PuppetNode}}'{{end}}` +
	`{{if .ClientCertPath}} --certdir='{{.ClientCertPath}}'{{end}}` +
	`{{if .ClientPrivateKeyPath}} --privatekeydir='{{.ClientPrivateKeyPath}}'{{end}}` +
	`{{if .ExtraArguments}} {{.ExtraArguments}}{{end}}`

// Lower puts certificate and key onto the machine and runs puppet.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	if err := staging.CheckGuest(c.GuestOSType); err != nil {
		return nil, err
	}
	if c.StagingDir != "" && c.StagingDirectory != "" {
		return nil, component.Errorf("staging_directory", "is another name of staging_dir: only one can be given")
	}
	command := c.ExecuteCommand
	if command.Reveal() == "" {
		command = secret.Plain(defaultCommand)
	}
	folder := staging.New(in, staging.Options{Tool: "puppet", Chosen: c.StagingDir + c.StagingDirectory, Clean: c.CleanStagingDirectory,
		Sudo: !c.PreventSudo, Packer: "/tmp/packer-puppet-server", Mentions: c.Mentions(command)})
	fields := staging.Fields{"PuppetServer": c.PuppetServer, "PuppetNode": c.PuppetNode, "ClientCertPath": "", "ClientPrivateKeyPath": ""}
	var err error
	if c.ClientCertPath != "" {
		if fields["ClientCertPath"], err = folder.Tree("client_cert_path", c.ClientCertPath, "certs"); err != nil {
			return nil, err
		}
	}
	if c.ClientPrivateKeyPath != "" {
		if fields["ClientPrivateKeyPath"], err = folder.Secrets("client_private_key_path", c.ClientPrivateKeyPath, "private_keys"); err != nil {
			return nil, err
		}
	}
	return c.Options.Lower(in, folder, puppet.Run{Title: "puppet agent", Command: command, Fields: fields})
}
