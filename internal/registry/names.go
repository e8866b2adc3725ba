package registry

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/ingot-build/ingot/internal/key"
)

// Tags that are not versions or channels start with one of these. "sha256-" is
// the referrers tag schema of the distribution specification.
const (
	keyPrefix        = "key-"
	movePrefix       = "channel."
	publishedPrefix  = "published."
	leasePrefix      = "lease."
	settingsPrefix   = "settings."
	requestPrefix    = "request."
	referrerPrefix   = "sha256-"
	testsPrefix      = "tested."
	checkpointPrefix = "checkpoint."
)

var reserved = []string{keyPrefix, movePrefix, publishedPrefix, leasePrefix, settingsPrefix, requestPrefix, referrerPrefix, testsPrefix, checkpointPrefix}

// The grammars of the distribution specification, section "Pulling manifests".
var (
	tagPattern    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	bucketPattern = regexp.MustCompile(`^[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	keyPattern    = regexp.MustCompile(`^[0-9a-f]{64}$`)
)

// longestBucket and longestChannel are lengths in characters. A channel's name
// is part of the tags of its moves, and a tag has 128.
const longestBucket, longestChannel = 128, 80

// stamp is the time in tags: it sorts as text.
const stamp = "20060102T150405.000000000Z"

// DefaultName returns the name of a version that has none: the time in UTC, to
// the millisecond because runs of one template may end in the same second, and
// the short key. Names sort by time.
func DefaultName(t time.Time, k key.Key) string {
	name := t.UTC().Format("20060102-150405.000")
	if k == "" {
		return name
	}
	return name + "-" + k.Short()
}

// ValidBucket returns an error that says what is wrong with the name.
func ValidBucket(name string) error {
	if len(name) <= longestBucket && bucketPattern.MatchString(name) {
		return nil
	}
	return nameError("bucket", name, fmt.Sprintf("it has up to %d lower-case letters, digits and single . _ - between them; / sets parts apart", longestBucket))
}

// ValidVersion returns an error that says what is wrong with the name.
func ValidVersion(name string) error {
	if name == "latest" {
		return nameError("version", name, `clients take "latest" for a name that moves: use it as a channel`)
	}
	return validTag("version", name, 128)
}

// ValidChannel returns an error that says what is wrong with the name.
func ValidChannel(name string) error { return validTag("channel", name, longestChannel) }

func validTag(kind, name string, longest int) error {
	if len(name) > longest || !tagPattern.MatchString(name) {
		return nameError(kind, name, fmt.Sprintf("it has up to %d letters, digits, . _ - and starts with a letter, a digit or _", longest))
	}
	if p := reservedPrefix(name); p != "" {
		return nameError(kind, name, fmt.Sprintf("names that start with %q are the registry's own", p))
	}
	return nil
}

func reservedPrefix(tag string) string {
	for _, p := range reserved {
		if strings.HasPrefix(tag, p) {
			return p
		}
	}
	return ""
}

func nameError(kind, name, advice string) error {
	return &Error{Op: kind + " " + quote(name), Err: plainError("not a valid name"), Advice: advice}
}

func keyTag(k key.Key) (string, error) {
	if !keyPattern.MatchString(string(k)) {
		return "", &Error{Op: "key " + quote(string(k)), Err: plainError("not a key")}
	}
	return keyPrefix + string(k), nil
}

// moveTag is the name of one move of a channel. Movers at the same time have
// different tokens, so none overwrites another's.
func moveTag(channel string, at time.Time, token string) string {
	return movePrefix + channel + "." + at.UTC().Format(stamp) + "-" + token
}

// requestTag is the name of what asks that a channel is pointed to a version. A
// version's name may be as long as a tag, so that a hash stands for it.
func requestTag(channel, version string) string {
	sum := sha256.Sum256([]byte(version))
	return requestPrefix + channel + "." + hex.EncodeToString(sum[:16])
}

// movedChannel returns the channel that a tag is a move of.
func movedChannel(tag string) (string, bool) {
	rest, ok := strings.CutPrefix(tag, movePrefix)
	tail := len(".") + len(stamp) + len("-") + tokenLength
	if !ok || len(rest) <= tail || rest[len(rest)-tail] != '.' {
		return "", false
	}
	name := rest[:len(rest)-tail]
	return name, ValidChannel(name) == nil
}
