// Package gcp is how Google Cloud is reached: with which credentials, at which
// endpoints, at a pace that all builds of the process share, and how its
// operations are waited for.
package gcp

import (
	"cmp"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/secret"
)

// Access are the options that say how Google Cloud is reached. Without any of
// them, the Application Default Credentials are used: the file that
// GOOGLE_APPLICATION_CREDENTIALS names, gcloud's login, or the service account
// of the machine that ingot runs on.
type Access struct {
	// AccessToken is an OAuth access token. It can't be renewed: the build
	// fails when it expires.
	AccessToken secret.String `hcl:"access_token,optional"`
	// AccountFile is the old name of credentials_file. It may also hold the
	// JSON itself.
	AccountFile secret.String `hcl:"account_file,optional"`
	// CredentialsFile is a JSON file of credentials: a service account's key,
	// gcloud's login, or a workload identity federation.
	CredentialsFile string `hcl:"credentials_file,optional"`
	// CredentialsJSON is the content of such a file.
	CredentialsJSON secret.String `hcl:"credentials_json,optional"`
	// ImpersonateServiceAccount is the email address of a service account to
	// act as, which the Application Default Credentials must be allowed to.
	ImpersonateServiceAccount string `hcl:"impersonate_service_account,optional"`
	// VaultGCPOAuthEngine is the path of a Vault secret that is an access token:
	// "gcp/token/my-roleset". VAULT_ADDR and VAULT_TOKEN (or ~/.vault-token) say
	// how Vault is reached; VAULT_NAMESPACE and VAULT_CACERT count too.
	VaultGCPOAuthEngine string `hcl:"vault_gcp_oauth_engine,optional"`
	// UniverseDomain is the domain of the cloud. Default: what
	// GOOGLE_CLOUD_UNIVERSE_DOMAIN says, else "googleapis.com".
	UniverseDomain string `hcl:"universe_domain,optional"`
	// CustomEndpoints are other addresses of services: "compute", "oslogin",
	// "oauth2", "secretmanager", "parametermanager", "iap", "storage" and
	// "iamcredentials".
	CustomEndpoints map[string]string `hcl:"custom_endpoints,optional"`

	scopes []string // of tokens; none is the usual ones
}

// Services that custom_endpoints may name.
const (
	compute          = "compute"
	oslogin          = "oslogin"
	oauth2           = "oauth2"
	secretmanager    = "secretmanager"
	parametermanager = "parametermanager"
	iap              = "iap"
	storage          = "storage"
	iamcredentials   = "iamcredentials"
)

const usualUniverse = "googleapis.com"

// Check checks the options, and reads the credentials where they are in a file
// below dir. It touches no network.
func (a *Access) Check(dir string) error {
	if err := a.CheckAccess(); err != nil {
		return err
	}
	_, _, err := a.credentials(dir)
	return err
}

// CheckAccess checks the options and reads no file.
func (a *Access) CheckAccess() error {
	if err := a.checkOne(); err != nil {
		return err
	}
	for name := range a.CustomEndpoints {
		if known := []string{compute, oslogin, oauth2, secretmanager, parametermanager, iap, storage, iamcredentials}; !slices.Contains(known, name) {
			e := component.Errorf("custom_endpoints", "there is no service %q", name)
			e.Advice = "use " + strings.Join(known, ", ")
			return e
		}
	}
	return nil
}

// Scoped returns the same access with tokens that are good for these scopes
// only; none is the usual ones.
func (a Access) Scoped(scopes []string) Access {
	a.scopes = scopes
	return a
}

// checkOne allows one way to log in.
func (a *Access) checkOne() error {
	if set := a.logins(); len(set) > 1 {
		return component.Errorf(set[1], "can't be set together with %s: choose one way to log in", set[0])
	}
	return nil
}

// Or returns these options, with the login of others where they have none, and
// their addresses where none are set.
func (a Access) Or(other Access) Access {
	if len(a.logins()) > 0 {
		return a
	}
	scopes, universe, endpoints := a.scopes, a.UniverseDomain, a.CustomEndpoints
	a = other.Scoped(scopes)
	if universe != "" {
		a.UniverseDomain = universe
	}
	if len(endpoints) > 0 {
		a.CustomEndpoints = endpoints
	}
	return a
}

// logins are the options that say how to log in.
func (a *Access) logins() (set []string) {
	for _, o := range []struct {
		name string
		set  bool
	}{
		{"access_token", a.AccessToken.Reveal() != ""}, {"account_file", a.AccountFile.Reveal() != ""},
		{"credentials_file", a.CredentialsFile != ""}, {"credentials_json", a.CredentialsJSON.Reveal() != ""},
		{"impersonate_service_account", a.ImpersonateServiceAccount != ""},
		{"vault_gcp_oauth_engine", a.VaultGCPOAuthEngine != ""},
	} {
		if o.set {
			set = append(set, o.name)
		}
	}
	return set
}

// credentials returns the JSON of credentials and its type, where options name
// some.
func (a *Access) credentials(dir string) (text []byte, kind string, err error) {
	option, path := "credentials_file", a.CredentialsFile
	switch account := a.AccountFile.Reveal(); {
	case strings.HasPrefix(strings.TrimSpace(account), "{"):
		option, text = "account_file", []byte(account)
	case account != "":
		option, path = "account_file", account
	case a.CredentialsJSON.Reveal() != "":
		option, text = "credentials_json", []byte(a.CredentialsJSON.Reveal())
	}
	if text == nil {
		if path == "" {
			return nil, "", nil
		}
		if text, err = os.ReadFile(hostfile.Path(dir, path)); err != nil {
			return nil, "", component.Errorf(option, "%v", err)
		}
	}
	var head struct {
		Type string `json:"type"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return nil, "", component.Errorf(option, "is not JSON: %v", err)
	}
	if head.Type == "" {
		e := component.Errorf(option, `is not a file of credentials: it has no "type"`)
		e.Advice = "make one with: gcloud iam service-accounts keys create, or gcloud auth application-default login"
		return nil, "", e
	}
	return text, head.Type, nil
}

// Secrets returns the options' values that must not be shown.
func (a *Access) Secrets() []string {
	var out []string
	for _, text := range []string{a.AccessToken.Reveal(), a.CredentialsJSON.Reveal(), a.AccountFile.Reveal()} {
		isPath := text == a.AccountFile.Reveal() && !strings.HasPrefix(strings.TrimSpace(text), "{")
		if text != "" && !isPath {
			out = append(out, text)
		}
	}
	return out
}

func (a *Access) universe() string {
	return cmp.Or(a.UniverseDomain, os.Getenv("GOOGLE_CLOUD_UNIVERSE_DOMAIN"), usualUniverse)
}

// endpoint returns the base of a service's addresses.
func (a *Access) endpoint(service string, h builders.Host) string {
	path := map[string]string{compute: "compute/v1/", storage: "storage/v1/"}[service]
	switch {
	case h.Sandbox != nil:
		base := strings.TrimSuffix(h.Sandbox.GCE, "/") + "/"
		switch service {
		case oslogin:
			return base + "oslogin/"
		case iap:
			return base + "v4"
		}
		return base + path
	case a.CustomEndpoints[service] != "":
		return strings.TrimSuffix(a.CustomEndpoints[service], "/") + "/"
	case service == oauth2:
		return "https://www." + a.universe() + "/"
	case service == iap && a.universe() == usualUniverse:
		return "https://tunnel.cloudproxy.app/v4"
	case service == iap:
		return "https://tunnel." + a.universe() + "/v4"
	}
	return "https://" + service + "." + a.universe() + "/" + path
}

// Journal says how the cloud was reached, for a sweep to reach it too.
func (a *Access) Journal(h builders.Host) map[string]string {
	out := map[string]string{}
	if h.Sandbox != nil {
		out["sandbox"] = h.Sandbox.GCE
		return out
	}
	put := func(name, value string) {
		if value != "" {
			out[name] = value
		}
	}
	if file := a.CredentialsFile; file != "" {
		put("credentials_file", absolute(h.Dir, file))
	}
	if file := a.AccountFile.Reveal(); file != "" && !strings.HasPrefix(strings.TrimSpace(file), "{") {
		put("credentials_file", absolute(h.Dir, file))
	}
	put("impersonate_service_account", a.ImpersonateServiceAccount)
	put("vault_gcp_oauth_engine", a.VaultGCPOAuthEngine)
	put("universe_domain", a.UniverseDomain)
	for service, address := range a.CustomEndpoints {
		put("endpoint."+service, address)
	}
	return out
}

func absolute(dir, file string) string {
	path := hostfile.Path(dir, file)
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

// AccessOf is the access that a journal's line describes.
func AccessOf(line map[string]string) Access {
	a := Access{
		CredentialsFile: line["credentials_file"], ImpersonateServiceAccount: line["impersonate_service_account"],
		VaultGCPOAuthEngine: line["vault_gcp_oauth_engine"], UniverseDomain: line["universe_domain"],
	}
	for name, address := range line {
		if service, ok := strings.CutPrefix(name, "endpoint."); ok {
			if a.CustomEndpoints == nil {
				a.CustomEndpoints = map[string]string{}
			}
			a.CustomEndpoints[service] = address
		}
	}
	return a
}
