package container

import (
	"context"
	"fmt"
	"sync"

	"github.com/distribution/reference"
	"github.com/docker/cli/cli/config"
	"github.com/docker/cli/cli/config/types"
	"github.com/moby/buildkit/session/auth/authprovider"

	"github.com/ingot-build/ingot/internal/ecr"
	"github.com/ingot-build/ingot/internal/secret"
)

// credentials are who we are at registries.
type credentials struct {
	docker authprovider.AuthConfigProvider // of the Docker configuration and its helpers
	server string                          // registry of the login options, "" where they are not set
	login  func(context.Context) (types.AuthConfig, error)
}

// credentials reads the Docker configuration: $DOCKER_CONFIG, ~/.docker.
func (o *options) credentials() (*credentials, error) {
	file, err := config.Load(config.Dir())
	if err != nil {
		return nil, fmt.Errorf("docker configuration in %s: %w", config.Dir(), err)
	}
	c := &credentials{docker: authprovider.LoadAuthConfig(file)}
	switch {
	case o.EcrLogin:
		c.server = registryHost(o.LoginServer)
		c.login = o.ecr.get
	case o.LoginUsername != "":
		c.server = registryHost(o.LoginServer)
		if o.LoginServer == "" && o.image != nil {
			c.server = registryHost(reference.Domain(o.image))
		}
		login := types.AuthConfig{Username: o.LoginUsername, Password: o.LoginPassword.Reveal(), ServerAddress: c.server}
		c.login = func(context.Context) (types.AuthConfig, error) { return login, nil }
	}
	return c, nil
}

// ecrLogin is a login at ECR, which is asked for once.
type ecrLogin struct {
	options *ecr.Options
	server  string
	secrets *secret.Set

	mu    sync.Mutex
	login *types.AuthConfig
}

func (l *ecrLogin) get(ctx context.Context) (types.AuthConfig, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.login != nil {
		return *l.login, nil
	}
	user, password, err := l.options.Login(ctx, l.server)
	if err != nil {
		return types.AuthConfig{}, err
	}
	l.secrets.Add(password)
	l.login = &types.AuthConfig{Username: user, Password: password, ServerAddress: registryHost(l.server)}
	return *l.login, nil
}

// provide answers who we are at a registry.
func (c *credentials) provide(ctx context.Context, host string, scope []string, expired authprovider.ExpireCachedAuthCheck) (types.AuthConfig, error) {
	if c.server != "" && registryHost(host) == c.server {
		return c.login(ctx)
	}
	return c.docker(ctx, host, scope, expired)
}
