package expect

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/secret"
)

var (
	packageName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.+:@~-]*$`)
	serviceName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.:@\\-]*$`)
	kernelName  = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_./:@-]*$`)
	account     = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_.@\\-]*\$?$`)
	digest      = regexp.MustCompile(`^[0-9A-Fa-f]{64}$`)
	mode        = regexp.MustCompile(`^[0-7]{3,5}$`)
)

// mountEscape writes a path as /proc/self/mounts does.
var mountEscape = strings.NewReplacer(`\`, `\134`, " ", `\040`, "\t", `\011`, "\n", `\012`)

var filetypes = []string{"file", "directory", "symlink", "socket", "pipe", "block-device", "character-device"}

func accountName(option, name string) error {
	if !account.MatchString(name) {
		return component.Errorf(option, "%q is no name of an account", name)
	}
	return nil
}

func absolute(name string) error {
	if !path.IsAbs(name) || strings.ContainsRune(name, 0) {
		return component.Errorf("", "%q is no absolute path", name)
	}
	return nil
}

func (f *File) check() error {
	if err := absolute(f.File); err != nil {
		return err
	}
	set := f.Filetype+f.Mode+f.Owner+f.Group+f.LinkedTo+f.Sha256 != "" || len(f.Contains) > 0
	switch {
	case !yes(f.Exists) && set:
		return component.Errorf("exists", "is false, and more is said of the file")
	case f.Filetype != "" && !slices.Contains(filetypes, f.Filetype):
		return component.Errorf("filetype", "%q is none of %s", f.Filetype, strings.Join(filetypes, ", "))
	case f.Mode != "" && !mode.MatchString(f.Mode):
		return component.Errorf("mode", `%q is no mode such as "0644"`, f.Mode)
	case f.Sha256 != "" && !digest.MatchString(f.Sha256):
		return component.Errorf("sha256", "%q is no SHA-256 in hex, of 64 digits", f.Sha256)
	case strings.ContainsRune(f.LinkedTo, 0):
		return component.Errorf("linked_to", "%q is no path", f.LinkedTo)
	}
	for option, name := range map[string]string{"owner": f.Owner, "group": f.Group} {
		if name == "" {
			continue
		}
		if err := accountName(option, name); err != nil {
			return err
		}
	}
	return lines("contains", f.Contains)
}

// lines refuses patterns that no line can have.
func lines(option string, texts []secret.String) error {
	for _, t := range texts {
		if strings.ContainsAny(t.Reveal(), "\x00\n") {
			return component.Errorf(option, "each text is looked for within one line, and one of them has several")
		}
	}
	return patterns(option, texts)
}

func (c *Command) check(text secret.String) error {
	for option, texts := range map[string][]secret.String{"exec": {text}, "stdout": c.Stdout, "stderr": c.Stderr} {
		if err := whole(option, texts...); err != nil {
			return err
		}
		if option == "exec" {
			continue
		}
		for _, t := range texts {
			if kind, _ := pattern(t); kind == "re" && strings.Contains(t.Reveal(), "\n") {
				return component.Errorf(option, "a regular expression is matched within one line, and one has several")
			}
		}
		if err := patterns(option, texts); err != nil {
			return err
		}
	}
	if c.RunAs != "" {
		if err := accountName("run_as", c.RunAs); err != nil {
			return err
		}
	}
	if c.ExitStatus < 0 || c.ExitStatus > 255 {
		return component.Errorf("exit_status", "%d is none: it is 0 to 255", c.ExitStatus)
	}
	if c.Timeout < 0 {
		return component.Errorf("timeout", "is below zero")
	}
	return nil
}

var protocols = []string{"tcp", "tcp4", "tcp6", "udp", "udp4", "udp6"}

// parse reads "tcp:22" or "22".
func (p *Port) parse() (proto string, number int, err error) {
	proto, digits, found := strings.Cut(p.Port, ":")
	if !found {
		proto, digits = "tcp", p.Port
	}
	number, err = strconv.Atoi(digits)
	if err != nil || number < 1 || number > 65535 || !slices.Contains(protocols, proto) {
		return "", 0, &component.OptionError{Message: fmt.Sprintf("%q is no port", p.Port), Advice: `such as "tcp:22", "udp:53" or "tcp6:80"`}
	}
	return proto, number, nil
}

// procAddress writes an address as /proc/net does: each 32 bits as a number in
// the byte order of the machine, which is little-endian on all that images are
// made for.
func procAddress(text string) (string, error) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return "", component.Errorf("addresses", "%q is no address", text)
	}
	var b strings.Builder
	for word := range slices.Chunk(a.AsSlice(), 4) {
		fmt.Fprintf(&b, "%08X", binary.LittleEndian.Uint32(word))
	}
	return b.String(), nil
}
