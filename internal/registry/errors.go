package registry

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// ErrNoVersion is in the chain of an error about a version or channel that is
// not there.
var ErrNoVersion = errors.New("no such version or channel")

// Error is an operation of the registry that did not succeed.
type Error struct {
	Op     string // what was done to what, e.g. "registry ghcr.io/acme: publish web:1.4.0"; "" where who calls says it
	Err    error
	Advice string // what the user can do; "" where nothing is known
}

func (e *Error) Error() string {
	if e.Op == "" {
		return e.Err.Error()
	}
	return e.Op + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Hint returns what the user can do.
func (e *Error) Hint() string { return e.Advice }

// ConflictError is a version that exists already with other content.
type ConflictError struct {
	Bucket, Name string
	Existing     string // digest of the version that is there
	Refused      string // digest of the one that was to be published
	Differs      string // what is different, e.g. "docker.web"
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("version %s of %s exists with other content: it is %s, this one would be %s (%s differs)",
		e.Name, e.Bucket, short(e.Existing), short(e.Refused), e.Differs)
}

// Hint returns what the user can do.
func (e *ConflictError) Hint() string {
	return "versions never change: choose a new name, or leave version out for one with the time and the key"
}

// short cuts a digest for people.
func short(digest string) string {
	if hex, ok := strings.CutPrefix(digest, "sha256:"); ok && len(hex) > 12 {
		return "sha256:" + hex[:12]
	}
	return digest
}

// plainError is a message and nothing more.
type plainError string

func (e plainError) Error() string { return string(e) }

func quote(s string) string { return strconv.Quote(s) }

const tokenLength = 8

// token returns letters and digits that nobody else has.
func token() string { return strings.ToLower(rand.Text()[:tokenLength]) }
