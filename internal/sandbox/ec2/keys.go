package ec2

import (
	"crypto/ed25519"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ingot-build/ingot/internal/sandbox/ec2/query"
)

type createKeyPairIn struct {
	Name   string    `q:"KeyName,required"`
	Type   string    `q:"KeyType"`
	Format string    `q:"KeyFormat"`
	Tags   []tagSpec `q:"TagSpecification"`
}

type keyPairOut struct {
	ID          string       `xml:"keyPairId"`
	Name        string       `xml:"keyName"`
	Fingerprint string       `xml:"keyFingerprint"`
	Material    string       `xml:"keyMaterial,omitempty"`
	Type        string       `xml:"keyType,omitempty"`
	Public      string       `xml:"publicKey,omitempty"`
	Created     *stamp       `xml:"createTime"`
	Tags        list[tagOut] `xml:"tagSet"`
}

func createKeyPair(c *call, in *createKeyPairIn) (keyPairOut, error) {
	if in.Format != "" && in.Format != "pem" {
		return keyPairOut{}, fail("InvalidParameterValue", "Value (%s) for parameter KeyFormat is not supported by the sandbox: it makes pem", in.Format)
	}
	if err := c.newKeyName(in.Name, in.Tags); err != nil {
		return keyPairOut{}, err
	}
	var private any
	var err error
	switch in.Type {
	case "", "rsa":
		private, err = rsa.GenerateKey(rand.Reader, 2048)
	case "ed25519":
		_, private, err = ed25519.GenerateKey(rand.Reader)
	default:
		return keyPairOut{}, fail("InvalidParameterValue", "Value (%s) for parameter KeyType is invalid.", in.Type)
	}
	if err != nil {
		return keyPairOut{}, err
	}
	block, signer, err := encodeKey(private)
	if err != nil {
		return keyPairOut{}, err
	}
	if err := c.ready(); err != nil {
		return keyPairOut{}, err
	}
	k := c.addKey(in.Name, signer.PublicKey(), in.Tags)
	return keyPairOut{ID: k.ID, Name: k.Name, Fingerprint: k.Fingerprint, Material: string(pem.EncodeToMemory(block)), Tags: c.tagsOf(k.ID)}, nil
}

func encodeKey(private any) (*pem.Block, ssh.Signer, error) {
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		return nil, nil, err
	}
	if k, ok := private.(*rsa.PrivateKey); ok {
		return &pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(k)}, signer, nil
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	return block, signer, err
}

func (c *call) newKeyName(name string, tags []tagSpec) error {
	if name == "" || len(name) > 255 {
		return fail("InvalidParameterValue", "Invalid key pair name %q", name)
	}
	if c.KeyPairs[name] != nil {
		return fail("InvalidKeyPair.Duplicate", "The keypair already exists")
	}
	return checkTags(tags, "key-pair")
}

func (c *call) addKey(name string, public ssh.PublicKey, tags []tagSpec) *keyPair {
	k := &keyPair{
		ID: newID("key"), Name: name, Type: "rsa", Created: c.now,
		Public: strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public))) + " " + name,
	}
	if public.Type() == ssh.KeyAlgoED25519 {
		k.Type = "ed25519"
		sum := sha256.Sum256(public.Marshal())
		k.Fingerprint = base64.StdEncoding.EncodeToString(sum[:])
	} else if crypto, ok := public.(ssh.CryptoPublicKey); ok {
		der, _ := x509.MarshalPKIXPublicKey(crypto.CryptoPublicKey()) // RSA keys can be written
		sum := md5.Sum(der)                                           //nolint:gosec // as the service does
		k.Fingerprint = colons(sum[:])
	}
	c.KeyPairs[name] = k
	c.tag(k.ID, "key-pair", tags)
	return k
}

func colons(b []byte) string {
	var parts []string
	for _, x := range b {
		parts = append(parts, hex.EncodeToString([]byte{x}))
	}
	return strings.Join(parts, ":")
}

type importKeyPairIn struct {
	Name   string     `q:"KeyName,required"`
	Public query.Blob `q:"PublicKeyMaterial,required"`
	Tags   []tagSpec  `q:"TagSpecification"`
}

func importKeyPair(c *call, in *importKeyPairIn) (keyPairOut, error) {
	if err := c.newKeyName(in.Name, in.Tags); err != nil {
		return keyPairOut{}, err
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(in.Public)
	if err != nil || public.Type() != ssh.KeyAlgoRSA && public.Type() != ssh.KeyAlgoED25519 {
		return keyPairOut{}, fail("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
	}
	if err := c.ready(); err != nil {
		return keyPairOut{}, err
	}
	k := c.addKey(in.Name, public, in.Tags)
	return keyPairOut{ID: k.ID, Name: k.Name, Fingerprint: k.Fingerprint, Tags: c.tagsOf(k.ID)}, nil
}

func (c *call) keyByID(id string) *keyPair {
	for _, k := range c.KeyPairs {
		if k.ID == id {
			return k
		}
	}
	return nil
}

type deleteKeyPairIn struct {
	Name string `q:"KeyName"`
	ID   string `q:"KeyPairId,id=key"`
}

type deleteKeyPairOut struct {
	Return bool   `xml:"return"`
	ID     string `xml:"keyPairId,omitempty"`
}

// deleteKeyPair says that it has, also when there is none, as the service does.
func deleteKeyPair(c *call, in *deleteKeyPairIn) (deleteKeyPairOut, error) {
	if in.Name == "" && in.ID == "" {
		return deleteKeyPairOut{}, fail("MissingParameter", "The request must contain the parameter KeyName or KeyPairId")
	}
	if err := c.ready(); err != nil {
		return deleteKeyPairOut{}, err
	}
	k := c.KeyPairs[in.Name]
	if in.ID != "" {
		k = c.keyByID(in.ID)
	}
	if k == nil {
		return deleteKeyPairOut{Return: true}, nil
	}
	delete(c.KeyPairs, k.Name)
	delete(c.Tags, k.ID)
	return deleteKeyPairOut{true, k.ID}, nil
}

type describeKeyPairsIn struct {
	Names   []string `q:"KeyName"`
	IDs     []string `q:"KeyPairId,id=key"`
	Public  bool     `q:"IncludePublicKey"`
	Filters []filter `q:"Filter"`
}

type describeKeyPairsOut struct {
	Keys list[keyPairOut] `xml:"keySet"`
}

func describeKeyPairs(c *call, in *describeKeyPairsIn) (describeKeyPairsOut, error) {
	all, err := byID(c, c.KeyPairs, nil, "key", func(k *keyPair) time.Time { return k.Created })
	if err != nil {
		return describeKeyPairsOut{}, err
	}
	for _, name := range in.Names {
		if !slices.ContainsFunc(all, func(k *keyPair) bool { return k.Name == name }) {
			return describeKeyPairsOut{}, fail("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", name)
		}
	}
	for _, id := range in.IDs {
		if !slices.ContainsFunc(all, func(k *keyPair) bool { return k.ID == id }) {
			return describeKeyPairsOut{}, notFound("key", id)
		}
	}
	if len(in.Names)+len(in.IDs) > 0 {
		all = slices.DeleteFunc(all, func(k *keyPair) bool {
			return !slices.Contains(in.Names, k.Name) && !slices.Contains(in.IDs, k.ID)
		})
	}
	all, err = pick(all, in.Filters, attrs[*keyPair]{
		"key-name":    one(func(k *keyPair) string { return k.Name }),
		"key-pair-id": one(func(k *keyPair) string { return k.ID }),
		"fingerprint": one(func(k *keyPair) string { return k.Fingerprint }),
	}, func(k *keyPair) map[string]string { return c.Tags[k.ID] })
	var out []keyPairOut
	for _, k := range all {
		made := stamp(k.Created)
		o := keyPairOut{ID: k.ID, Name: k.Name, Fingerprint: k.Fingerprint, Type: k.Type, Created: &made, Tags: c.tagsOf(k.ID)}
		if in.Public {
			o.Public = k.Public
		}
		out = append(out, o)
	}
	return describeKeyPairsOut{listOf(out)}, err
}
