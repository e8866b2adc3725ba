package provenance

import (
	"bytes"
	"crypto"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"github.com/sigstore/sigstore/pkg/signature/dsse"
)

// payloadType is what envelopes say of statements:
// https://github.com/in-toto/attestation/blob/main/spec/v1/envelope.md
const payloadType = "application/vnd.in-toto+json"

// signer signs with a private key.
type signer struct {
	signature.SignerVerifier
	public crypto.PublicKey
}

func openSigner(path string) (*signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	private, err := cryptoutils.UnmarshalPEMToPrivateKey(text, password)
	if err != nil {
		return nil, fmt.Errorf("%s is not a private key in PEM: %w", path, err)
	}
	s, err := signature.LoadSignerVerifier(private, digestOf)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	public, err := s.PublicKey()
	return &signer{s, public}, err
}

// fits checks that a file has the public key.
func (s *signer) fits(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	public, err := cryptoutils.UnmarshalPEMToPublicKey(text)
	if err != nil {
		return fmt.Errorf("%s is not a public key in PEM: %w", path, err)
	}
	if cryptoutils.EqualKeys(public, s.public) != nil {
		return errors.New("is not the public key of signer")
	}
	return nil
}

// envelope returns a signed statement, whose signature was looked at.
func (s *signer) envelope(statement []byte) ([]byte, error) {
	text, err := dsse.WrapSigner(s, payloadType).SignMessage(bytes.NewReader(statement))
	if err != nil {
		return nil, err
	}
	if err := dsse.WrapVerifier(s).VerifySignature(bytes.NewReader(text), nil); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = json.Indent(&out, text, "", "  ")
	return append(out.Bytes(), '\n'), err
}
