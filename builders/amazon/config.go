package amazon

import (
	"sync"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/winrm"
)

// TypeEBS is the name of the builder in a template.
const TypeEBS = "amazon-ebs"

// usualLifetime is after how long what a run made counts as left over.
const usualLifetime = 24 * time.Hour

// DefinitionEBS lists the builder.
func DefinitionEBS() builders.Definition {
	return builders.Definition{Type: TypeEBS, New: func() builders.Config {
		return &Config{Config: ssh.Defaults(), RunConfig: RunDefaults()}
	}}
}

// RunDefaults returns a RunConfig with the defaults of its options.
func RunDefaults() RunConfig {
	return RunConfig{MaxLifetime: usualLifetime, WindowsPasswordTimeout: usualPasswordTime}
}

// Config is a source of an image made from an instance: it is launched from
// source_ami, provisioned, and its volumes become the new image.
type Config struct {
	AccessConfig
	RunConfig
	NetworkConfig
	SpotConfig
	AMIConfig
	DiskConfig
	CaptureConfig
	ssh.Config
	winrm.Options
	ssh.KeyPair
}

// CaptureConfig says how the image is made of the instance.
type CaptureConfig struct {
	// SkipCreateAMI makes no image: the steps are run, and that is all. Default
	// false.
	SkipCreateAMI bool `hcl:"skip_create_ami,optional"`
	// SkipAMIRunTags does not give run_tags to the image. Default false.
	SkipAMIRunTags bool `hcl:"skip_ami_run_tags,optional"`
	// FastLaunch is refused.
	FastLaunch *FastLaunch `hcl:"fast_launch,block" refuse:"EC2 Fast Launch is not supported yet"`
}

// FastLaunch is an option that ingot does not have yet.
type FastLaunch struct {
	// Enable is refused.
	Enable *bool `hcl:"enable_fast_launch,optional"`
	// TemplateID is refused.
	TemplateID *string `hcl:"template_id,optional"`
	// TemplateName is refused.
	TemplateName *string `hcl:"template_name,optional"`
	// TemplateVersion is refused.
	TemplateVersion *int `hcl:"template_version,optional"`
	// MaxParallelLaunches is refused.
	MaxParallelLaunches *int `hcl:"max_parallel_launches,optional"`
	// TargetResourceCount is refused.
	TargetResourceCount *int `hcl:"target_resource_count,optional"`
}

// source is what the builders of this package share: how to get from an image
// to an instance that one can log in to.
type source struct {
	run     RunConfig
	network NetworkConfig
	spot    SpotConfig
	devices []BlockDevice // of the instance, in place of the source image's
	keys    ssh.KeyPair

	dir    string
	access *Access
	ssh    *ssh.Client   // nil without SSH
	winrm  *winrm.Client // nil without WinRM
	comm   ssh.Config
	host   builders.Host
	bases  sync.Map // source images by id, as Resolve found them
}

// openSource checks the options that the builders share.
func openSource(h builders.Host, a AccessConfig, run RunConfig, network NetworkConfig, spot SpotConfig, launch []BlockDevice, c ssh.Config, w winrm.Options, keys ssh.KeyPair) (*source, error) {
	if err := c.CheckCommunicator(); err != nil {
		return nil, err
	}
	for _, check := range []func() error{
		func() error { return run.checkRun(h.Dir, spot) },
		func() error { return network.checkNetwork(c) },
		spot.checkSpot, keys.CheckKeyPair,
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	access, err := a.Open(h)
	if err != nil {
		return nil, err
	}
	if h.Sandbox != nil && network.SSHInterface == "session_manager" {
		network.SSHInterface = "private_ip" // its machines have no agent, and are reached from here
	}
	s := &source{run: run, network: network, spot: spot, devices: launch, keys: keys, dir: h.Dir, access: access, comm: c, host: h}
	switch c.Communicator {
	case "none":
		return s, nil
	case "winrm":
		return s, s.openWindows(w)
	}
	if s.ssh, err = c.Unkeyed(h.Dir); err != nil {
		return nil, err
	}
	for _, text := range s.ssh.Secrets() {
		h.Secrets.Add(text)
	}
	return s, s.checkKeys()
}

// checkKeys checks what is logged in with.
func (s *source) checkKeys() error {
	switch {
	case s.keys.KeypairName != "" && !s.ssh.HasLogin():
		return advise("ssh_keypair_name", "its private key is not known", "set ssh_private_key_file or ssh_agent_auth = true")
	case s.keys.KeypairName != "" && s.keys.TemporaryKeyPairName != "":
		return component.Errorf("temporary_key_pair_name", "is set together with ssh_keypair_name: use one of them")
	case s.keys.TemporaryKeyPairType == "ecdsa":
		return component.Errorf("temporary_key_pair_type", "EC2 takes no ecdsa keys: use ed25519 or rsa")
	case s.comm.ClearAuthorizedKeys && s.ssh.HasLogin():
		return component.Errorf("ssh_clear_authorized_keys", "no temporary key is put on this machine, so that there is none to remove")
	}
	return nil
}

// Open checks the options.
func (c *Config) Open(h builders.Host) (builders.Builder, error) {
	for _, check := range []func() error{c.CheckAMI, c.CheckDisks} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	s, err := openSource(h, c.AccessConfig, c.RunConfig, c.NetworkConfig, c.SpotConfig, c.LaunchBlockDevices, c.Config, c.Options, c.KeyPair)
	if err != nil {
		return nil, err
	}
	return newEBS(s, c.AMIConfig, c.DiskConfig, c.CaptureConfig), nil
}

// patience is how long to wait for an image; usual where aws_polling does not
// say.
func (s *source) patience(usual time.Duration) time.Duration { return s.access.config.patience(usual) }
