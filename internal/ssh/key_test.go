package ssh

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/sshtest"
)

// TestWithKey logs in with a key that was just made, of each kind.
func TestWithKey(t *testing.T) {
	t.Parallel()
	for _, k := range []KeyPair{{}, {TemporaryKeyPairType: "ecdsa"}, {TemporaryKeyPairType: "rsa", TemporaryKeyPairBits: 2048}} {
		key, err := k.NewKey("ingot-test")
		if err != nil {
			t.Fatal(err)
		}
		s := sshtest.Run(t, sshtest.Options{})
		file := filepath.Join(filepath.Dir(s.KeyFile), "authorized_keys")
		if err := os.WriteFile(file, []byte(key.Authorized+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		c := Defaults()
		c.Host, c.Port, c.Username = s.Host, s.Port, s.User
		bare, err := c.Unkeyed("")
		if err != nil || bare.HasLogin() {
			t.Fatalf("has login %v, error %v", bare.HasLogin(), err)
		}
		keyed := bare.WithKey(key)
		conn, err := keyed.Connect(t.Context(), keyed.Target())
		if err != nil {
			t.Errorf("%s: %v", k.kind(), err)
			continue
		}
		conn.Close()
		if private, public := keyed.PrivateKey(); private != key.Private || !strings.HasPrefix(key.Authorized, public) {
			t.Error("the client has another key")
		}
	}
}

func TestCheckKeyPair(t *testing.T) {
	t.Parallel()
	for option, k := range map[string]KeyPair{
		"temporary_key_pair_type": {TemporaryKeyPairType: "dsa"},
		"ed25519":                 {TemporaryKeyPairBits: 256},
		"ecdsa":                   {TemporaryKeyPairType: "ecdsa", TemporaryKeyPairBits: 255},
		"rsa":                     {TemporaryKeyPairType: "rsa", TemporaryKeyPairBits: 1024},
	} {
		if err := k.CheckKeyPair(); err == nil || !strings.Contains(err.Error(), option) {
			t.Errorf("%+v: %v", k, err)
		}
	}
}
