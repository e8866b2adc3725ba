package gcp

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	xoauth2 "golang.org/x/oauth2"
	gceiam "google.golang.org/api/iamcredentials/v1"
	"google.golang.org/api/option"
	htransport "google.golang.org/api/transport/http"

	"github.com/ingot-build/ingot/builders"
)

// tokenScopes are what tokens are asked for. What an account may do is said by
// IAM.
func (a *Access) tokenScopes() []string {
	if len(a.scopes) > 0 {
		return a.scopes
	}
	return []string{
		"https://www.googleapis.com/auth/cloud-platform",
		"https://www.googleapis.com/auth/userinfo.email",
	}
}

// userAgent is what requests say they come from.
const userAgent = "ingot"

// login adds credentials to requests. It looks for them with the first one:
// nothing is asked for by a template that is only checked.
type login struct {
	access Access
	host   builders.Host
	base   http.RoundTripper

	mu   sync.Mutex
	next http.RoundTripper
}

func (l *login) RoundTrip(r *http.Request) (*http.Response, error) {
	next, err := l.transport()
	if err != nil {
		return nil, err
	}
	resp, err := next.RoundTrip(r)
	if err != nil && isTokenError(err) {
		return nil, &LoginError{Err: err}
	}
	return resp, err
}

// transport finds the credentials. They outlive the request that needs them
// first, so that its context does not count.
func (l *login) transport() (http.RoundTripper, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.next != nil {
		return l.next, nil
	}
	ctx := context.Background()
	how, err := l.how(ctx)
	if err != nil {
		return nil, &LoginError{Err: err}
	}
	next, err := htransport.NewTransport(ctx, l.base, append(how, option.WithUserAgent(userAgent))...)
	if err != nil {
		return nil, &LoginError{Err: err}
	}
	l.next = next
	return next, nil
}

// how returns the credentials that the options name, or none, which is the
// Application Default Credentials.
func (l *login) how(ctx context.Context) ([]option.ClientOption, error) {
	a := l.access
	static := func(token string) []option.ClientOption {
		return []option.ClientOption{option.WithTokenSource(xoauth2.StaticTokenSource(&xoauth2.Token{AccessToken: token}))}
	}
	domain := option.WithUniverseDomain(a.universe())
	switch {
	case l.host.Sandbox != nil:
		return static(l.host.Sandbox.GoogleToken), nil
	case a.AccessToken.Reveal() != "":
		return static(a.AccessToken.Reveal()), nil
	case a.VaultGCPOAuthEngine != "":
		source := &vault{path: a.VaultGCPOAuthEngine, secrets: l.host.Secrets}
		return []option.ClientOption{option.WithTokenSource(xoauth2.ReuseTokenSource(nil, source))}, nil
	case a.ImpersonateServiceAccount != "":
		service, err := gceiam.NewService(ctx, domain, option.WithEndpoint(a.endpoint(iamcredentials, l.host)))
		if err != nil {
			return nil, err
		}
		source := &impersonated{service, a.ImpersonateServiceAccount, a.tokenScopes()}
		return []option.ClientOption{option.WithTokenSource(xoauth2.ReuseTokenSource(nil, source))}, nil
	}
	text, kind, err := a.credentials(l.host.Dir)
	if err != nil {
		return nil, err
	}
	how := []option.ClientOption{option.WithScopes(a.tokenScopes()...), domain}
	if text == nil {
		return how, nil
	}
	switch k := option.CredentialsType(kind); k {
	case option.ServiceAccount, option.AuthorizedUser, option.ImpersonatedServiceAccount, option.ExternalAccount:
		return append(how, option.WithAuthCredentialsJSON(k, text)), nil
	}
	return nil, fmt.Errorf("credentials of type %q are not supported", kind)
}

// impersonated gets tokens of a service account for those who may act as it.
type impersonated struct {
	service *gceiam.Service
	account string
	scopes  []string
}

func (i *impersonated) Token() (*xoauth2.Token, error) {
	out, err := i.service.Projects.ServiceAccounts.GenerateAccessToken("projects/-/serviceAccounts/"+i.account,
		&gceiam.GenerateAccessTokenRequest{Scope: i.scopes}).Do()
	if err != nil {
		return nil, fmt.Errorf("impersonate: %s: %w", i.account, err)
	}
	until, err := time.Parse(time.RFC3339, out.ExpireTime)
	if err != nil {
		return nil, fmt.Errorf("impersonate: %s: %w", i.account, err)
	}
	return &xoauth2.Token{AccessToken: out.AccessToken, Expiry: until}, nil
}
