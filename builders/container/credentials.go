package container

import (
	"context"
	"fmt"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	"github.com/moby/buildkit/session/auth/authprovider"
)

// credentials are who we are at registries.
type credentials struct {
	docker authprovider.AuthConfigProvider // of the Docker configuration and its helpers
	server string                          // registry of the login options, "" where they are not set
	login  types.AuthConfig
}

// credentials reads the Docker configuration: $DOCKER_CONFIG, ~/.docker.
func (o *options) credentials() (*credentials, error) {
	file, err := config.Load(config.Dir())
	if err != nil {
		return nil, fmt.Errorf("docker configuration in %s: %w", config.Dir(), err)
	}
	c := &credentials{docker: authprovider.LoadAuthConfig(file)}
	if o.LoginUsername == "" {
		return c, nil
	}
	c.server = registryHost(o.LoginServer)
	if o.LoginServer == "" && o.image != nil {
		c.server = registryHost(reference.Domain(o.image))
	}
	c.login = types.AuthConfig{Username: o.LoginUsername, Password: o.LoginPassword.Reveal(), ServerAddress: c.server}
	return c, nil
}

// provide answers who we are at a registry.
func (c *credentials) provide(ctx context.Context, host string, scope []string, expired authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
	if c.server != "" && registryHost(host) == c.server {
		return c.login, nil
	}
	return c.docker(ctx, host, scope, expired)
}
