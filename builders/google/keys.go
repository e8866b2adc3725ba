package google

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	gcelogin "google.golang.org/api/oslogin/v1"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/google/gcp"
	"github.com/ingot-build/ingot/internal/journal"
)

// Values of oslogin_ssh_username that are no names.
const (
	profileUser  = "__auto__"
	externalUser = "__external__"
	longestUser  = 32
)

// importTries is how often a key is imported that meets another change of the
// same profile.
const importTries = 10

// importKey imports the key for the login into the OS Login profile of the
// account, and takes the profile's user.
func (m *instance) importKey(ctx context.Context) error {
	var err error
	if m.account, err = m.accountEmail(ctx); err != nil {
		return err
	}
	entry, err := m.env.Journal.Intend(journal.Resource{
		Cloud: journalName, Place: m.account, Kind: loginKeyKind, Name: keyBlob(m.public),
		Tags: m.labels, Access: m.Access.Journal(m.launch.host), Build: m.env.Build,
	})
	if err != nil {
		return err
	}
	m.add(made{"OS Login key of", m.account, entry, func(ctx context.Context) error {
		return removeLoginKey(ctx, m.api, m.account, keyBlob(m.public))
	}})
	m.env.Log.Say("Importing the SSH key into the OS Login profile of " + m.account + "...")
	profile, err := m.importInto(ctx, m.public)
	if err != nil {
		return fmt.Errorf("import the SSH key into the OS Login profile of %s: %w", m.account, gcp.Explain(err))
	}
	if m.user, err = profileLogin(profile, m.OSLoginSSHUsername); err != nil {
		return err
	}
	return entry.Made(keyBlob(m.public))
}

// loginKeyKind is what the journal calls a key in a profile. Its place is the
// account, its name the key itself: what the service calls it comes with the
// answer.
const loginKeyKind = "os-login-key"

// keyBlob is the key in a line of a public key.
func keyBlob(line string) string {
	fields := strings.Fields(line)
	if len(fields) < 2 {
		return line
	}
	return fields[1]
}

// removeLoginKey takes a key out of the profile of an account.
func removeLoginKey(ctx context.Context, api *gcp.Client, account, blob string) error {
	profile, err := api.OSLogin.Users.GetLoginProfile("users/" + account).Context(ctx).Do()
	if err != nil {
		return err
	}
	for print, key := range profile.SshPublicKeys {
		if keyBlob(key.Key) != blob {
			continue
		}
		_, err := api.OSLogin.Users.SshPublicKeys.Delete("users/" + account + "/sshPublicKeys/" + print).Context(ctx).Do()
		if err != nil && !gcp.IsNotFound(err) {
			return err
		}
	}
	return nil
}

func (m *instance) importInto(ctx context.Context, line string) (*gcelogin.LoginProfile, error) {
	key := &gcelogin.SshPublicKey{Key: line}
	after := m.OSLoginSSHKeyExpireAfter
	if after == 0 {
		after = m.MaxLifetime
	}
	if after > 0 {
		key.ExpirationTimeUsec = time.Now().Add(after).UnixMicro()
	}
	for try := 1; ; try++ {
		answer, err := m.api.OSLogin.Users.ImportSshPublicKey("users/"+m.account, key).ProjectId(m.ProjectID).Context(ctx).Do()
		if err == nil {
			return answer.LoginProfile, nil
		}
		if !gcp.IsConflict(err) || try == importTries {
			return nil, err
		}
		if err := gcp.Backoff(ctx, try); err != nil {
			return nil, err
		}
	}
}

// accountEmail says whose credentials are used.
func (m *instance) accountEmail(ctx context.Context) (string, error) {
	if m.ImpersonateServiceAccount != "" {
		return m.ImpersonateServiceAccount, nil
	}
	info, err := m.api.OAuth2.Tokeninfo().Context(ctx).Do()
	if err != nil {
		return "", fmt.Errorf("ask whose token this is: %w", gcp.Explain(err))
	}
	if info.Email == "" {
		return "", builders.WithHint(errors.New("OS Login needs the email address of the account, which its token does not tell"),
			"use credentials of a service account, or a token with the scope userinfo.email; or set use_os_login = false")
	}
	return info.Email, nil
}

// profileLogin returns who logs in with a profile.
func profileLogin(p *gcelogin.LoginProfile, wanted string) (string, error) {
	name := ""
	if p != nil {
		for _, a := range p.PosixAccounts {
			if name == "" || a.Primary {
				name = a.Username
			}
		}
	}
	switch wanted {
	case "", profileUser:
	case externalUser:
		if !strings.HasPrefix(name, "sa_") && !strings.HasPrefix(name, "ext_") {
			name = "ext_" + name
		}
	default:
		return wanted, nil
	}
	if name == "" || name == "ext_" {
		return "", builders.WithHint(errors.New("the OS Login profile has no user"), "set oslogin_ssh_username, or use_os_login = false")
	}
	return name[:min(len(name), longestUser)], nil
}

// TemporaryKey is the line of the key that was made for the build.
func (m *instance) TemporaryKey() string { return m.key.Authorized }
