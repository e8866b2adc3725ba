// Package saltmasterless is the provisioner "salt-masterless": it applies Salt
// states of this host to the machine, without a Salt master.
package saltmasterless

import (
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/staging"
)

// Config is the options of the provisioner.
type Config struct {
	// LocalStateTree is the folder of this host with the states. What is
	// called .git in it stays here.
	LocalStateTree string `hcl:"local_state_tree"`
	// LocalPillarRoots is the folder of this host with the pillars. What is
	// called .git in it stays here.
	LocalPillarRoots string `hcl:"local_pillar_roots,optional"`
	// RemoteStateTree is the folder of the machine that the states go into.
	// Not with minion_config. Default "/srv/salt".
	RemoteStateTree string `hcl:"remote_state_tree,optional"`
	// RemotePillarRoots is the folder of the machine that the pillars go
	// into. Not with minion_config. Default "/srv/pillar".
	RemotePillarRoots string `hcl:"remote_pillar_roots,optional"`
	// MinionConfig is the path of a minion configuration on this host. It
	// becomes /etc/salt/minion, and says where states and pillars are.
	MinionConfig string `hcl:"minion_config,optional"`
	// GrainsFile is the path of a grains file on this host. It becomes
	// /etc/salt/grains.
	GrainsFile string `hcl:"grains_file,optional"`
	// Formulas are formulas that the machine fetches with git into the state
	// tree, each as "git::https://HOST/REPOSITORY.git//FOLDER?ref=REVISION". A
	// folder that the state tree has already is left as it is.
	Formulas []string `hcl:"formulas,optional"`
	// CustomState is the state to apply. Default: the highstate.
	CustomState string `hcl:"custom_state,optional"`
	// SaltCallArgs is more arguments for salt-call.
	SaltCallArgs secret.String `hcl:"salt_call_args,optional"`
	// LogLevel is how much salt-call tells. Default "info".
	LogLevel string `hcl:"log_level,optional"`
	// NoExitOnFailure takes a salt-call that fails for success. Default false.
	NoExitOnFailure bool `hcl:"no_exit_on_failure,optional"`
	// SaltBinDir is the folder of the machine that salt-call is in. Default:
	// it is looked for in $PATH.
	SaltBinDir string `hcl:"salt_bin_dir,optional"`
	// SkipBootstrap leaves the installation of Salt to others. Default false.
	SkipBootstrap bool `hcl:"skip_bootstrap,optional"`
	// BootstrapArgs is arguments for the bootstrap script.
	BootstrapArgs secret.String `hcl:"bootstrap_args,optional"`
	// DisableSudo runs all as the login, not with sudo. Default false.
	DisableSudo bool `hcl:"disable_sudo,optional"`
	// TempConfigDir is the folder of the machine that all is uploaded to
	// first. Default a folder in /tmp that no other run has, which is removed
	// afterwards.
	TempConfigDir string `hcl:"temp_config_dir,optional"`
	// GuestOSType is the kind of the machine's system. Only "unix" is
	// supported. Default "unix".
	GuestOSType string `hcl:"guest_os_type,optional"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "salt-masterless", New: func() provisioners.Provisioner { return &Config{LogLevel: "info"} }}
}

const (
	stateRoot  = "/srv/salt"
	pillarRoot = "/srv/pillar"
	configDir  = "/etc/salt"
)

// Lower puts states and pillars onto the machine and runs salt-call.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
	folder := staging.New(in, staging.Options{Tool: "salt", Chosen: c.TempConfigDir, Sudo: !c.DisableSudo, Packer: "/tmp/salt",
		Mentions: []string{c.SaltCallArgs.Reveal(), c.BootstrapArgs.Reveal()}})
	s := &setup{Config: c, folder: folder}
	if err := s.stage(); err != nil {
		return nil, err
	}
	text := s.text()
	secrets := secret.Join([]secret.String{c.SaltCallArgs, c.BootstrapArgs}, "")
	return folder.Run(staging.Command{Title: "salt-call", Script: secrets.With(text)}), nil
}

func (c *Config) check() error {
	if err := staging.CheckGuest(c.GuestOSType); err != nil {
		return err
	}
	switch {
	case c.LocalStateTree == "":
		return component.Errorf("local_state_tree", "must not be empty")
	case c.MinionConfig != "" && c.RemoteStateTree != "":
		return component.Errorf("remote_state_tree", "can't be given beside minion_config, which says where the states are")
	case c.MinionConfig != "" && c.RemotePillarRoots != "":
		return component.Errorf("remote_pillar_roots", "can't be given beside minion_config, which says where the pillars are")
	}
	return nil
}
