package dockerpush

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"

	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/containerimage"
)

// dockerHub is the host that serves docker.io.
const dockerHub = "registry-1.docker.io"

func (c *Config) login() bool {
	return c.LoginUsername.Reveal() != "" && (c.Login == nil || *c.Login)
}

// client logs in by the options where they are for the registry, else as
// docker's configuration says.
func (c *Config) client(ctx context.Context, in postprocessors.Input) (*auth.Client, error) {
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{DetectDefaultNativeStore: true})
	if err != nil {
		return nil, fmt.Errorf("read docker's configuration: %w", err)
	}
	fromDocker := credentials.Credential(store)
	own := auth.Credential{Username: c.LoginUsername.Reveal(), Password: c.LoginPassword.Reveal()}
	if c.EcrLogin {
		in.Log.Say("Logging in to " + c.LoginServer + " with AWS credentials")
		if own.Username, own.Password, err = c.Options.Login(ctx, c.LoginServer); err != nil {
			return nil, err
		}
		in.Secrets.Add(own.Password)
	}
	client := &auth.Client{Client: retry.DefaultClient, Cache: auth.NewCache()}
	client.SetUserAgent("ingot")
	client.Credential = func(ctx context.Context, host string) (auth.Credential, error) {
		if (c.login() || c.EcrLogin) && host == loginHost(c.LoginServer) {
			return own, nil
		}
		return fromDocker(ctx, host)
	}
	return client, nil
}

// loginHost returns the host of a login_server, which people write as a host
// or as a URL.
func loginHost(server string) string {
	if _, rest, ok := strings.Cut(server, "://"); ok {
		server = rest
	}
	host, _, _ := strings.Cut(server, "/")
	switch host {
	case "", "docker.io", "index.docker.io":
		return dockerHub
	}
	return host
}

// isLoopback reports whether host is this host, where registries are spoken to
// without TLS, as Docker does.
func isLoopback(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return host == "localhost" || err == nil && addr.IsLoopback()
}

// explain turns an error of the transfer into one for people.
func explain(tag string, err error) error {
	host := tag
	if name, nerr := containerimage.Name(tag); nerr == nil {
		host, _, _ = strings.Cut(name.Name(), "/")
	}
	var copyErr *oras.CopyError
	if errors.As(err, &copyErr) {
		err = copyErr.Err
	}
	var resp *errcode.ErrorResponse
	var dial *net.OpError
	switch {
	case errors.Is(err, auth.ErrBasicCredentialNotFound),
		errors.As(err, &resp) && (resp.StatusCode == http.StatusUnauthorized || resp.StatusCode == http.StatusForbidden):
		return builders.WithHint(fmt.Errorf("push %s: %s refuses the login", tag, host),
			"set login_username, login_password and login_server, or run: docker login "+host)
	case errors.As(err, &resp):
		reason := http.StatusText(resp.StatusCode)
		if len(resp.Errors) > 0 {
			reason = resp.Errors.Error()
		}
		return fmt.Errorf("push %s: %s answers %d: %s", tag, host, resp.StatusCode, reason)
	case errors.As(err, &dial):
		return builders.WithHint(fmt.Errorf("push %s: %w", tag, dial), "is the registry "+host+" up, and its name right?")
	}
	return fmt.Errorf("push %s: %w", tag, err)
}
