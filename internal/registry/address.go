package registry

import (
	"net"
	"net/netip"
	"strings"

	"oras.land/oras-go/v2/registry"
)

// address is a parsed address: a folder or a host with a repository prefix.
type address struct {
	dir          string
	host, prefix string
	plain        bool // talk http
}

func (a address) String() string {
	if a.prefix == "" {
		return a.host
	}
	return a.host + "/" + a.prefix
}

// repository returns the repository of a bucket.
func (a address) repository(bucket string) string {
	if a.prefix == "" {
		return bucket
	}
	return a.prefix + "/" + bucket
}

func parseAddress(text string) (address, error) {
	if dir, ok := strings.CutPrefix(text, "oci:"); ok {
		if dir == "" {
			return address{}, badAddress(text, "the folder is missing", "write oci:DIR")
		}
		return address{dir: dir}, nil
	}
	scheme, rest, found := strings.Cut(text, "://")
	if !found {
		scheme, rest = "", text
	}
	if found && scheme != "http" && scheme != "https" {
		return address{}, badAddress(text, "there is no scheme "+scheme, "write HOST[:PORT][/PREFIX] for a registry, oci:DIR or a path for a folder")
	}
	host, prefix, _ := strings.Cut(strings.TrimRight(rest, "/"), "/")
	if !found && !isHost(host) {
		return address{dir: text}, nil
	}
	if _, after, ok := strings.Cut(rest, "@"); ok && strings.Contains(host, "@") {
		return address{}, badAddress(after, "it has no login in it", "run docker login: the login is taken from docker's configuration")
	}
	a := address{host: host, prefix: prefix, plain: scheme == "http" || scheme == "" && isLoopback(host)}
	ref := registry.Reference{Registry: host, Repository: a.repository("bucket")}
	if err := ref.ValidateRegistry(); err != nil {
		return a, badAddress(text, "the host is not valid", "write HOST[:PORT][/PREFIX]")
	}
	if err := ref.ValidateRepository(); err != nil {
		return a, badAddress(text, "the repository prefix is not valid", "it has lower-case letters, digits and single . _ - between them, parts are set apart by /")
	}
	return a, nil
}

func badAddress(text, why, advice string) error {
	return &Error{Op: "registry address " + quote(text), Err: plainError(why), Advice: advice}
}

// isHost tells a registry's host from the first part of a path, by the rule
// that docker uses for image names.
func isHost(part string) bool {
	switch {
	case part == "" || strings.HasPrefix(part, ".") || strings.HasPrefix(part, "~"):
		return false
	case part == "localhost" || strings.HasPrefix(part, "["):
		return true
	}
	return strings.ContainsAny(part, ".:")
}

// isLoopback reports whether the host is this one, where plain http is safe.
func isLoopback(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return err == nil && ip.IsLoopback()
}
