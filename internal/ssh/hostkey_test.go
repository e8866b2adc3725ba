package ssh_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/ssh"
	"github.com/ingot-build/ingot/internal/sshtest"
)

func TestHostKey(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{HostKeys: []string{"rsa", "ecdsa", "ed25519"}})
	line, err := os.ReadFile(filepath.Join(s.Dir, "host_ecdsa.pub"))
	if err != nil {
		t.Fatal(err)
	}
	other := sshtest.Run(t, sshtest.Options{})
	otherLine, err := os.ReadFile(filepath.Join(other.Dir, "host_ed25519.pub"))
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		key string
		ok  bool
	}{
		"none":                     {"", true},
		"print of the last kind":   {s.HostKey, true},
		"line of a kind":           {string(line), true},
		"line as in known_hosts":   {"[127.0.0.1]:22 " + string(line), true},
		"print of another machine": {other.HostKey, false},
		"line of another machine":  {string(otherLine), false},
	} {
		t.Run(name, func(t *testing.T) {
			c := config(s)
			c.HostKey = test.key
			if test.ok {
				conn := connect(t, c)
				if conn.HostKey() == "" {
					t.Error("no host key")
				}
				return
			}
			err := fails(t, c, nil)
			var key *ssh.HostKeyError
			if !errors.As(err, &key) || key.Want != other.HostKey {
				t.Errorf("error %v", err)
			}
			wantError(t, err, "the host key is not the expected one")
		})
	}
	t.Run("target", func(t *testing.T) {
		err := fails(t, config(s), func(to *ssh.Target) { to.HostKey = other.HostKey })
		wantError(t, err, "the host key is not the expected one")
	})
	t.Run("only one kind", func(t *testing.T) {
		c := config(other)
		c.HostKey = string(line)
		wantError(t, fails(t, c, nil), "the host key is not the expected one")
	})
}

// TestHostKeyChanges lets another machine answer when the connection is made
// again.
func TestHostKeyChanges(t *testing.T) {
	t.Parallel()
	s := sshtest.Run(t, sshtest.Options{})
	conn := connect(t, config(s))
	sh(t, conn, "true")
	port := s.Port
	s.Stop()
	other := sshtest.Run(t, sshtest.Options{Port: port})
	if err := other.Authorize(s.KeyFile + ".pub"); err != nil {
		t.Fatal(err)
	}
	_, err := conn.Run(context.Background(), &op.Exec{Argv: []string{"true"}}, nil)
	var key *ssh.HostKeyError
	if !errors.As(err, &key) || key.Want != s.HostKey || key.Got != other.HostKey {
		t.Errorf("error %v, want that %s is not %s", err, other.HostKey, s.HostKey)
	}
	wantError(t, err, "the host key is not the expected one")
}
