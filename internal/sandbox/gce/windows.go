package gce

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // what the agent encrypts with
	"encoding/base64"
	"encoding/json"
	"math/big"
	"strings"

	compute "google.golang.org/api/compute/v1"
)

// passwordKey is metadata by which an instance here says that it is a Windows
// one: its agent gives the password that is its value to all who ask. What runs
// is Debian in any case.
const passwordKey = "sandbox-windows-password"

// agentPort is what the fourth serial port of a Windows instance prints: a line
// for each account that the metadata asks for. It is empty for others.
func agentPort(in *compute.Instance) (string, error) {
	password, keys := "", ""
	for _, i := range in.Metadata.Items {
		switch {
		case i.Value == nil:
		case i.Key == passwordKey:
			password = *i.Value
		case i.Key == "windows-keys":
			keys = *i.Value
		}
	}
	if password == "" {
		return "", nil
	}
	var b strings.Builder
	b.WriteString(`{"ready":true,"version":"Microsoft Windows NT (sandbox)"}` + "\n")
	for line := range strings.Lines(keys) {
		var ask struct{ UserName, Modulus, Exponent string }
		if json.Unmarshal([]byte(line), &ask) != nil {
			continue
		}
		n, errN := base64.StdEncoding.DecodeString(ask.Modulus)
		e, errE := base64.StdEncoding.DecodeString(ask.Exponent)
		if errN != nil || errE != nil {
			continue
		}
		key := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		raw, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, key, []byte(password), nil)
		if err != nil {
			return "", err
		}
		answer, err := json.Marshal(map[string]any{
			"userName": ask.UserName, "modulus": ask.Modulus, "exponent": ask.Exponent, "passwordFound": true,
			"encryptedPassword": base64.StdEncoding.EncodeToString(raw),
		})
		if err != nil {
			return "", err
		}
		b.Write(append(answer, '\n'))
	}
	return b.String(), nil
}
