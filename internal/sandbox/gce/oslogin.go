package gce

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
	"google.golang.org/api/oslogin/v1"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// login is a user of OS Login.
type login struct {
	Email string                           `json:"email"`
	Keys  map[string]*oslogin.SshPublicKey `json:"keys"` // by fingerprint
}

func (l login) id() string { return strconv.FormatUint(fixedID("login "+l.Email), 10) }

// name is that of the login: the address with underscores, for service accounts
// their number.
func (l login) name() string {
	if strings.HasSuffix(l.Email, ".gserviceaccount.com") {
		return "sa_" + l.id()
	}
	name := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '_'
	}, strings.ToLower(l.Email))
	return name[:min(len(name), 32)]
}

func (l login) profile(project string) *oslogin.LoginProfile {
	uid := int64(fixedID("login "+l.Email)%1e9 + 1e9)
	p := &oslogin.LoginProfile{Name: l.id(), SshPublicKeys: map[string]oslogin.SshPublicKey{}}
	for print, key := range l.Keys {
		p.SshPublicKeys[print] = *key
	}
	p.PosixAccounts = []*oslogin.PosixAccount{{Primary: true, Username: l.name(), Uid: uid, Gid: uid, HomeDirectory: "/home/" + l.name(),
		Shell: "/bin/bash", OperatingSystemType: "LINUX", AccountId: project, Name: "users/" + l.Email + "/projects/" + project}}
	return p
}

// loginUsers are all users who have keys that are valid.
func (s *Server) loginUsers() []host.User {
	var all []host.User
	for _, email := range sortedKeys(s.state.Logins) {
		l := s.state.Logins[email]
		u := host.User{Name: l.name()}
		for _, print := range sortedKeys(l.Keys) {
			if k := l.Keys[print]; k.ExpirationTimeUsec == 0 || time.Now().UnixMicro() < k.ExpirationTimeUsec {
				u.Keys = append(u.Keys, strings.TrimSpace(k.Key))
			}
		}
		if len(u.Keys) > 0 {
			all = append(all, u)
		}
	}
	return all
}

// loginOf returns the user that a name such as "users/a@b.c/…" is about.
func (c *call) loginOf(name string) *login {
	email, _, _ := strings.Cut(strings.TrimPrefix(name, "users/"), "/")
	if email == "me" {
		email = c.user
	}
	l := c.state.Logins[email]
	if l == nil {
		l = &login{Email: email, Keys: map[string]*oslogin.SshPublicKey{}}
		c.state.Logins[email] = l
		c.dirty = true
	}
	return l
}

func importKey(c *call) (any, error) {
	var k oslogin.SshPublicKey
	if err := c.into(&k); err != nil {
		return nil, err
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.Key))
	if err != nil {
		return nil, &apiError{Code: 400, Reason: "badRequest", Status: "INVALID_ARGUMENT", Message: "Invalid SSH public key: it cannot be parsed."}
	}
	if k.ExpirationTimeUsec != 0 && k.ExpirationTimeUsec <= time.Now().UnixMicro() {
		return nil, &apiError{Code: 400, Reason: "badRequest", Status: "INVALID_ARGUMENT", Message: "Invalid SSH public key: its expiration time is in the past."}
	}
	l := c.loginOf(c.param("parent"))
	sum := sha256.Sum256(public.Marshal())
	print := hex.EncodeToString(sum[:])
	k.Fingerprint, k.Name = print, fmt.Sprintf("users/%s/sshPublicKeys/%s", l.Email, print)
	l.Keys[print] = &k
	c.metadataChanged()
	return &oslogin.ImportSshPublicKeyResponse{LoginProfile: l.profile(c.param("projectId"))}, nil
}

func getLoginProfile(c *call) (any, error) {
	return c.loginOf(c.param("name")).profile(c.param("projectId")), nil
}

func (c *call) key() (*login, *oslogin.SshPublicKey, error) {
	name := c.param("name")
	l := c.loginOf(name)
	if k := l.Keys[last(name)]; k != nil {
		return l, k, nil
	}
	return nil, nil, &apiError{Code: 404, Reason: "notFound", Status: "NOT_FOUND", Message: "SSH public key " + name + " was not found."}
}

func getKey(c *call) (any, error) {
	_, k, err := c.key()
	return k, err
}

func deleteKey(c *call) (any, error) {
	l, k, err := c.key()
	if err != nil {
		return nil, err
	}
	delete(l.Keys, k.Fingerprint)
	c.dirty = true
	return &oslogin.Empty{}, nil
}
