package ui

import (
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"

	"github.com/ingot-build/ingot/internal/secret"
)

var (
	// escape matches the control sequences of ECMA-48: CSI, then the strings
	// (OSC, DCS …) up to their end, then the short ones.
	escape = regexp.MustCompile("\x1b\\[[0-?]*[ -/]*[@-~]?|\x1b[\\]PX^_][^\x07\x1b]*(?:\x07|\x1b\\\\)?|\x1b[ -/]*[0-~]?")
	// colour matches the one sequence that only changes how text looks: SGR.
	colour = regexp.MustCompile("^\x1b\\[[0-9;:]*m$")
)

// lines returns the lines of a text as they may be shown: redacted, of a line
// that was drawn over (a progress bar) what stood there last, and without
// control sequences, other than colours where these are wanted.
func lines(text string, secrets *secret.Set, colours bool) []string {
	text = strings.ToValidUTF8(secrets.Redact(text), "\uFFFD")
	out := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range out {
		out[i] = visible(line, secrets, colours)
	}
	return out
}

func visible(line string, secrets *secret.Set, colours bool) string {
	segments := strings.Split(line, "\r")
	var bare string
	for len(segments) > 0 {
		line = segments[len(segments)-1]
		if bare = strip(line, false); strings.TrimSpace(bare) != "" {
			break
		}
		segments = segments[:len(segments)-1]
	}
	redacted := secrets.Redact(bare)
	if !colours || redacted != bare { // the latter: a secret with colours inside
		return redacted
	}
	return strip(line, true)
}

// Printable is text as a terminal may get it: without control characters and
// sequences, other than colours.
func Printable(text string) string {
	all := strings.Split(text, "\n")
	for i, line := range all {
		all[i] = strip(line, true)
	}
	return strings.Join(all, "\n")
}

// strip removes control characters and sequences.
func strip(line string, colours bool) string {
	if strings.IndexFunc(line, control) < 0 {
		return line
	}
	line = escape.ReplaceAllStringFunc(line, func(seq string) string {
		if colours && colour.MatchString(seq) {
			return seq
		}
		return ""
	})
	return strings.Map(func(r rune) rune {
		if control(r) && !(colours && r == '\x1b') {
			return -1
		}
		return r
	}, line)
}

func control(r rune) bool { return r != '\t' && unicode.IsControl(r) }

// inWords returns d as Packer prints it: its two largest units that are not
// zero, "1 minute 3 seconds".
func inWords(d time.Duration) string {
	var parts []string
	for _, u := range []struct {
		name string
		size time.Duration
	}{
		{"day", 24 * time.Hour}, {"hour", time.Hour}, {"minute", time.Minute}, {"second", time.Second},
		{"millisecond", time.Millisecond}, {"microsecond", time.Microsecond},
	} {
		n := d / u.size
		d -= n * u.size
		switch {
		case n == 1:
			parts = append(parts, "1 "+u.name)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, u.name))
		}
		if len(parts) == 2 {
			break
		}
	}
	if len(parts) == 0 {
		return "0 seconds"
	}
	return strings.Join(parts, " ")
}
