package ssh

import (
	"errors"
	"net"
	"slices"
	"sync"

	gossh "golang.org/x/crypto/ssh"
)

// errOtherKind ends a handshake in which the server showed a key of another
// kind than the one that the fingerprint may be of.
var errOtherKind = errors.New("a host key of another kind")

// kinds are the kinds of host keys, best first, with their signature algorithms.
func kinds() []keyKind {
	return []keyKind{
		{gossh.KeyAlgoED25519, []string{gossh.KeyAlgoED25519}},
		{gossh.KeyAlgoECDSA256, []string{gossh.KeyAlgoECDSA256}},
		{gossh.KeyAlgoECDSA384, []string{gossh.KeyAlgoECDSA384}},
		{gossh.KeyAlgoECDSA521, []string{gossh.KeyAlgoECDSA521}},
		{gossh.KeyAlgoRSA, []string{gossh.KeyAlgoRSASHA512, gossh.KeyAlgoRSASHA256}},
	}
}

type keyKind struct {
	name       string
	algorithms []string
}

// pin is the host key that a machine must show. The first one seen is pinned
// where none is expected.
type pin struct {
	mu     sync.Mutex
	want   hostKey
	others []string // kinds whose key is not the one with the wanted fingerprint
	last   string   // fingerprint seen last
	key    gossh.PublicKey
}

// seen returns the fingerprint of the pinned key, "" before one was seen.
func (p *pin) seen() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.want.fingerprint
}

// known returns the key that the machine has shown.
func (p *pin) known() gossh.PublicKey {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.key
}

// algorithms returns what to ask the server for.
func (p *pin) algorithms() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var list []string
	for _, k := range kinds() {
		if (p.want.kind == "" || p.want.kind == k.name) && !slices.Contains(p.others, k.name) {
			list = append(list, k.algorithms...)
		}
	}
	return list
}

// check is a gossh.HostKeyCallback.
func (p *pin) check(_ string, _ net.Addr, key gossh.PublicKey) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last = gossh.FingerprintSHA256(key)
	switch {
	case p.want.fingerprint == "" || p.want.fingerprint == p.last:
		p.want, p.key = hostKey{fingerprint: p.last, kind: key.Type()}, key
		return nil
	case p.want.kind == "":
		p.others = append(p.others, key.Type())
		return errOtherKind
	}
	return &HostKeyError{Want: p.want.fingerprint, Got: p.last}
}

// mismatch is the error of a server that has no key that would match.
func (p *pin) mismatch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.others = nil
	return &HostKeyError{Want: p.want.fingerprint, Got: p.last}
}
