package amazon

import (
	"crypto/rand"
	"net"
	"net/netip"
	"os"
	"os/user"
	"strings"
)

// whoami is who runs this, for people who find what it left.
func whoami() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return name + "@" + host
}

// newName returns a name that no other has, for what a session makes.
func newName() string { return "ingot-" + strings.ToLower(rand.Text())[:16] }

func isCIDR(text string) bool {
	_, err := netip.ParsePrefix(text)
	return err == nil
}

// isSix reports whether a range is of IPv6 addresses.
func isSix(cidr string) bool {
	p, err := netip.ParsePrefix(cidr)
	return err == nil && p.Addr().Is6()
}

// single returns the range that holds just this address.
func single(ip net.IP) string {
	if four := ip.To4(); four != nil {
		return four.String() + "/32"
	}
	return ip.String() + "/128"
}
