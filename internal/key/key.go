// Package key makes the fingerprints by which equal work is recognised: a
// canonical hash, and a chain of them from a source image through its steps.
package key

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"maps"
	"slices"
)

// Key is a fingerprint: the hex of a SHA-256. The zero Key is no key.
type Key string

// Short returns the first 12 digits, for people.
func (k Key) Short() string {
	if len(k) < 12 {
		return string(k)
	}
	return string(k[:12])
}

// Hasher hashes typed values. Every value is written with its kind and
// length, so that no two sequences of values have the same bytes.
type Hasher struct{ h hash.Hash }

// New returns a Hasher. The domain keeps keys of different things apart and
// names the version of what is hashed.
func New(domain string) *Hasher {
	h := &Hasher{h: sha256.New()}
	return h.String(domain)
}

func (h *Hasher) head(kind byte, n uint64) *Hasher {
	var b [9]byte
	b[0] = kind
	binary.BigEndian.PutUint64(b[1:], n)
	h.h.Write(b[:])
	return h
}

// String adds a text.
func (h *Hasher) String(s string) *Hasher {
	h.head('s', uint64(len(s)))
	h.h.Write([]byte(s))
	return h
}

// Int adds a number.
func (h *Hasher) Int(n int64) *Hasher { return h.head('i', uint64(n)) }

// Bool adds a truth value.
func (h *Hasher) Bool(b bool) *Hasher {
	if b {
		return h.head('b', 1)
	}
	return h.head('b', 0)
}

// Strings adds a list of texts, in order.
func (h *Hasher) Strings(list []string) *Hasher {
	h.head('l', uint64(len(list)))
	for _, s := range list {
		h.String(s)
	}
	return h
}

// Map adds a map of texts, by sorted name.
func (h *Hasher) Map(m map[string]string) *Hasher {
	h.head('m', uint64(len(m)))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		h.String(k).String(m[k])
	}
	return h
}

// Sum returns the key of all that was added.
func (h *Hasher) Sum() Key { return Key(hex.EncodeToString(h.h.Sum(nil))) }
