package host

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"encoding/pem"

	"golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/sandbox/first"
)

// newIdentity makes what an instance does not share with others of its image.
func newIdentity(hostname string) (*first.Identity, error) {
	id := make([]byte, 16)
	_, _ = rand.Read(id)
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	i := &first.Identity{MachineID: hex.EncodeToString(id)}
	for name, key := range map[string]crypto.Signer{"ed25519": ed, "ecdsa": ec} {
		k, err := hostKey(name, key, "root@"+hostname)
		if err != nil {
			return nil, err
		}
		i.HostKeys = append(i.HostKeys, k)
	}
	return i, nil
}

func hostKey(name string, key crypto.Signer, comment string) (first.HostKey, error) {
	block, err := ssh.MarshalPrivateKey(key, comment)
	if err != nil {
		return first.HostKey{}, err
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return first.HostKey{}, err
	}
	line := append(bytes.TrimSpace(ssh.MarshalAuthorizedKey(public)), " "+comment+"\n"...)
	return first.HostKey{Name: name, Private: pem.EncodeToMemory(block), Public: line}, nil
}
