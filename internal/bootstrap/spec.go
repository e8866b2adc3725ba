// Package bootstrap makes base images from Debian packages with mmdebstrap,
// and keeps them in an OCI image layout by what they were made of.
package bootstrap

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/key"
)

// Spec says what a base is made of. Mirror and Variant must be set.
type Spec struct {
	Suite      string   // e.g. "bookworm"
	Mirror     string   // an http, https or file URL
	Variant    string   // of mmdebstrap
	Components []string // e.g. "main"
	Packages   []string // beside those of the variant
	Arch       string   // GOARCH name
}

// ErrOffline is in the chain of an error that came because the mirror could
// not be reached.
var ErrOffline = errors.New("the mirror can't be reached")

// releaseTimeout is how long the mirror may take to say what is current.
const releaseTimeout = 5 * time.Second

// releaseLimit is more than any InRelease file has, in bytes.
const releaseLimit = 16 << 20

// release is the state of a suite on a mirror.
type release struct {
	digest string // hex SHA-256 of its InRelease file
	date   time.Time
}

// options returns the key of all that the user chose.
func (s Spec) options() string {
	h := key.New("bootstrap/1").String(s.Suite).String(s.Mirror).String(s.Variant).String(s.Arch)
	h.Strings(s.Components).Strings(slices.Sorted(slices.Values(s.Packages)))
	return string(h.Sum())[:32]
}

// id names the base of the options and the state of the mirror.
func (s Spec) id(r release) string { return s.options() + "-" + r.digest[:32] }

// release asks the mirror for the state of the suite. The file that says it
// changes with every package of the suite.
func (s Spec) release(ctx context.Context) (release, error) {
	var text []byte
	var err error
	for _, name := range []string{"InRelease", "Release"} {
		if text, err = fetch(ctx, strings.TrimRight(s.Mirror, "/")+"/dists/"+s.Suite+"/"+name); err == nil {
			break
		}
		if !errors.Is(err, os.ErrNotExist) {
			return release{}, err
		}
	}
	if err != nil {
		return release{}, builders.WithHint(fmt.Errorf("the mirror %s has no suite %q", s.Mirror, s.Suite),
			"see "+strings.TrimRight(s.Mirror, "/")+"/dists/ for those it has")
	}
	sum := sha256.Sum256(text)
	return release{digest: hex.EncodeToString(sum[:]), date: releaseDate(text)}, nil
}

// releaseDate is the date in the file, the start of 1970 where there is none.
func releaseDate(text []byte) time.Time {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if v, ok := strings.CutPrefix(lines.Text(), "Date: "); ok {
			if t, err := time.Parse(time.RFC1123, strings.TrimSpace(v)); err == nil {
				return t.UTC()
			}
		}
	}
	return time.Unix(0, 0).UTC()
}

// fetch returns what the URL holds; os.ErrNotExist is in the chain of the
// error when it does not exist, ErrOffline when that can't be known.
func fetch(ctx context.Context, address string) ([]byte, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	if u.Scheme == "file" {
		return os.ReadFile(u.Path)
	}
	ctx, cancel := context.WithTimeout(ctx, releaseTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOffline, err)
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s: %w", address, os.ErrNotExist)
	case resp.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("%w: %s: %s", ErrOffline, address, resp.Status)
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, releaseLimit))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrOffline, err)
	}
	return text, nil
}

// debianArch returns Debian's name of a GOARCH.
func debianArch(goarch string) string {
	switch goarch {
	case "arm":
		return "armhf"
	case "386":
		return "i386"
	case "ppc64le":
		return "ppc64el"
	}
	return goarch
}
