package google

import (
	"fmt"
	"maps"
	"os"
	"os/user"
	"regexp"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
)

// Labels by which a sweep finds what a run left.
const (
	runLabel     = "ingot-run"
	buildLabel   = "ingot-build"
	userLabel    = "ingot-user"
	expiresLabel = "ingot-expires" // Unix seconds

	// originLabel tells an image that was imported again: by what it was made of.
	originLabel = "ingot-origin"
)

const labelLength = 63

var notInLabel = regexp.MustCompile(`[^a-z0-9_-]+`)

// labelValue makes text fit for a label.
func labelValue(text string) string {
	text = notInLabel.ReplaceAllString(strings.ToLower(text), "-")
	return text[:min(len(text), labelLength)]
}

// owner says who runs this, as it is written on resources.
func owner() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, _ := os.Hostname()
	return labelValue(name + "-" + host)
}

// runLabels are the marks of all that a build makes.
func (c *cloud) runLabels(env builders.Env, now time.Time) map[string]string {
	return marks(env, c.MaxLifetime, now)
}

// marks are those of all that a run makes, with an expiry unless lifetime is 0.
func marks(env builders.Env, lifetime time.Duration, now time.Time) map[string]string {
	labels := map[string]string{
		runLabel: labelValue(env.RunID), buildLabel: labelValue(env.Build), userLabel: owner(),
	}
	if lifetime > 0 {
		labels[expiresLabel] = fmt.Sprint(now.Add(lifetime).Unix())
	}
	return labels
}

// merged returns all labels; later ones win.
func merged(sets ...map[string]string) map[string]string {
	out := map[string]string{}
	for _, s := range sets {
		maps.Copy(out, s)
	}
	return out
}
