package google

import (
	"context"
	"fmt"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/winrm"
)

// journalName is what the journal calls this cloud.
const journalName = "google"

// Open checks the options.
func (c *Config) Open(h builders.Host) (builders.Builder, error) {
	if err := c.CheckCommunicator(); err != nil {
		return nil, err
	}
	if err := c.check(h.Dir); err != nil {
		return nil, err
	}
	for _, text := range c.Access.Secrets() {
		h.Secrets.Add(text)
	}
	client, err := c.sshClient(h)
	if err != nil {
		return nil, err
	}
	api, err := c.Access.Client(h)
	if err != nil {
		return nil, component.Errorf("custom_endpoints", "%v", err)
	}
	cl := &cloud{Config: c, host: h, api: api, ssh: client}
	if c.Communicator == "winrm" {
		return cl.windows()
	}
	return &builder{Builder: machine.Builder(cl, client), cloud: cl}, nil
}

// sshClient returns what connects to the instance, nil without a communicator.
func (c *Config) sshClient(h builders.Host) (*ssh.Client, error) {
	if c.Communicator == "none" || c.Communicator == "winrm" {
		if c.ClearAuthorizedKeys {
			return nil, component.Errorf("ssh_clear_authorized_keys", `needs communicator = "ssh"`)
		}
		return nil, nil
	}
	s := c.Config
	if s.Username == "" && c.UseOSLogin != nil && *c.UseOSLogin {
		s.Username = "os-login" // the profile says who it is
	}
	client, err := s.Unkeyed(h.Dir)
	if err != nil {
		return nil, err
	}
	for _, text := range client.Secrets() {
		h.Secrets.Add(text)
	}
	return client, nil
}

// builder is a machine builder that also distributes.
type builder struct {
	builders.Builder
	cloud *cloud
}

// Access says how the builder reaches the cloud.
func (b *builder) Access() gcp.Access { return b.cloud.Access }

// cloud is Compute Engine as the options of one source describe it.
type cloud struct {
	*Config
	host builders.Host
	api  *gcp.Client
	ssh  *ssh.Client // nil without SSH

	winrm *winrm.Client // nil without WinRM
}

// Exists reports whether the image is still there, in every place, and the
// same that was made.
func (c *cloud) Exists(ctx context.Context, a artifact.Artifact) (bool, error) {
	if len(a.Places) == 0 {
		return false, nil
	}
	for _, p := range a.Places {
		img, err := c.api.Exists(ctx, p.Name, p.ID)
		if err != nil {
			return false, fmt.Errorf("look for the image %s: %w", p.ID, gcp.Explain(err))
		}
		id := a.Labels[idLabel]
		if img == nil || p == a.Places[0] && id != "" && id != fmt.Sprint(img.Id) {
			return false, nil
		}
	}
	return true, nil
}

// idLabel is the label of an artifact that holds the image's number, which no
// other image ever has.
const idLabel = "image_id"
