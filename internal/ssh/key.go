package ssh

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"slices"
	"strings"

	gossh "golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/component"
)

// Key is a key pair made for one build.
type Key struct {
	Private    string // PEM, as OpenSSH writes it
	Authorized string // the public key's line in authorized_keys, without a line feed

	signer gossh.Signer
}

// CheckKeyPair checks the options of a key that is to be made.
func (k KeyPair) CheckKeyPair() error {
	sizes := map[string]string{"ed25519": "", "ecdsa": "256, 384 or 521", "rsa": "2048 to 16384"}
	kind, bits := k.kind(), k.TemporaryKeyPairBits
	want, known := sizes[kind]
	switch {
	case !known:
		return component.Errorf("temporary_key_pair_type", "%q is not a kind of key that can be made: use ed25519, ecdsa or rsa", kind)
	case bits == 0:
		return nil
	case want == "":
		return component.Errorf("temporary_key_pair_bits", "an ed25519 key has one size: leave it out")
	case kind == "ecdsa" && curve(bits) == nil, kind == "rsa" && (bits < 2048 || bits > 16384):
		return component.Errorf("temporary_key_pair_bits", "%d is not a size of an %s key: use %s", bits, kind, want)
	}
	return nil
}

func (k KeyPair) kind() string {
	if k.TemporaryKeyPairType == "" {
		return "ed25519"
	}
	return strings.ToLower(k.TemporaryKeyPairType)
}

func curve(bits int) elliptic.Curve {
	switch bits {
	case 256:
		return elliptic.P256()
	case 384:
		return elliptic.P384()
	case 521, 0:
		return elliptic.P521()
	}
	return nil
}

// NewKey makes the key pair that the options describe.
func (k KeyPair) NewKey(comment string) (Key, error) {
	if err := k.CheckKeyPair(); err != nil {
		return Key{}, err
	}
	var private crypto.Signer
	var err error
	switch k.kind() {
	case "rsa":
		bits := k.TemporaryKeyPairBits
		if bits == 0 {
			bits = 4096
		}
		private, err = rsa.GenerateKey(rand.Reader, bits)
	case "ecdsa":
		private, err = ecdsa.GenerateKey(curve(k.TemporaryKeyPairBits), rand.Reader)
	default:
		_, private, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		return Key{}, err
	}
	block, err := gossh.MarshalPrivateKey(private, comment)
	if err != nil {
		return Key{}, err
	}
	signer, err := gossh.NewSignerFromSigner(private)
	if err != nil {
		return Key{}, err
	}
	line := strings.TrimSpace(string(gossh.MarshalAuthorizedKey(signer.PublicKey())))
	if comment != "" {
		line += " " + comment
	}
	return Key{Private: string(pem.EncodeToMemory(block)), Authorized: line, signer: signer}, nil
}

// WithKey returns a client that logs in with k.
func (c *Client) WithKey(k Key) *Client {
	keyed := &Client{Ask: c.Ask, config: c.config, pinned: c.pinned, login: c.login, bastion: c.bastion, local: c.local, remote: c.remote}
	keyed.login.signers = append(slices.Clone(c.login.signers), k.signer)
	keyed.login.privateKey = []byte(k.Private)
	return keyed
}
