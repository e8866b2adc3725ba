package sandbox

import (
	"crypto/rand"
	"encoding/base32"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/google/renameio/v2"

	"github.com/ingot-build/ingot/builders"
)

const accessName = "access.json"

// access is what one must know to use a sandbox: machines of it run as root on
// this host, which has other users.
type access struct {
	AWSKey      string
	AWSSecret   string
	GoogleToken string
	AdminToken  string
}

// openAccess reads the file, or makes new secrets and writes it.
func openAccess(path string) (access, error) {
	var a access
	text, err := os.ReadFile(path)
	if err == nil {
		if err := json.Unmarshal(text, &a); err != nil {
			return a, fmt.Errorf("%s: %w", path, err)
		}
		return a, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return a, err
	}
	a = access{AWSKey: "AKIA" + random()[:16], AWSSecret: random() + random()[:8], GoogleToken: "ya29." + random(), AdminToken: random()}
	if text, err = json.Marshal(a); err != nil {
		return a, err
	}
	return a, renameio.WriteFile(path, text, 0o600)
}

// random returns 32 letters and digits, 160 bits.
func random() string {
	b := make([]byte, 20)
	_, _ = rand.Read(b) // never fails
	return base32.StdEncoding.EncodeToString(b)
}

func (a access) sandbox(address string) *builders.Sandbox {
	url := "http://" + address
	return &builders.Sandbox{AWS: url, AWSKey: a.AWSKey, AWSSecret: a.AWSSecret, GCE: url, GoogleToken: a.GoogleToken}
}
