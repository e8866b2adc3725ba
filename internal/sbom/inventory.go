// Package sbom makes software bills of materials: lists of the packages that
// are on a machine, in the formats CycloneDX and SPDX.
package sbom

import (
	"bufio"
	"cmp"
	_ "embed" // the script
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/package-url/packageurl-go"
)

// Script is a script for /bin/sh that prints the inventory of the machine that
// it runs on. ParseInventory reads that.
//
//go:embed inventory.sh
var Script string

// Inventory is what is on a machine.
type Inventory struct {
	OS       OS
	Packages []Package // sorted
}

// OS says which system it is, as /etc/os-release does.
type OS struct {
	ID, VersionID, PrettyName, Codename string
}

// Package is one package.
type Package struct {
	Type    string // of its purl: "deb", "rpm" or "apk"
	Name    string
	Version string // with the release, without the epoch of an rpm
	Epoch   string // of an rpm, "" where there is none
	Arch    string
	Source  string // what it is made from: "name" or "name@version"; "" where that is the package itself
	License string // as the package says it
	Vendor  string // who made the package
	URL     string // its home page
	purl    string
}

// PURL is the package URL.
// Source: the types deb, rpm and apk of the purl specification; "upstream" is
// what scanners look for there.
func (p Package) PURL() string { return p.purl }

// ParseInventory reads what Script printed.
func ParseInventory(from io.Reader) (*Inventory, error) {
	p := &parser{apk: map[string]string{}}
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, 1<<20)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Split(lines.Text(), "\t")
		if n == 1 && (len(fields) != 2 || fields[0] != "inventory" || fields[1] != "1") {
			return nil, fmt.Errorf("it is no inventory: it begins with %q", lines.Text())
		}
		if err := p.line(fields); err != nil {
			return nil, fmt.Errorf("inventory: line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("inventory: %w", err)
	}
	p.endAPK()
	inv := &Inventory{OS: p.os, Packages: p.packages}
	for i := range inv.Packages {
		inv.Packages[i].purl = inv.purl(inv.Packages[i])
	}
	slices.SortFunc(inv.Packages, func(a, b Package) int {
		return cmp.Or(strings.Compare(a.Type, b.Type), strings.Compare(a.Name, b.Name), strings.Compare(a.purl, b.purl))
	})
	inv.Packages = slices.CompactFunc(inv.Packages, func(a, b Package) bool { return a.purl == b.purl })
	if len(inv.Packages) == 0 {
		return nil, fmt.Errorf("the machine has no packages of dpkg, rpm or apk")
	}
	return inv, nil
}

type parser struct {
	os       OS
	packages []Package
	apk      map[string]string // the fields of one package
}

func (p *parser) line(f []string) error {
	want := map[string]int{"inventory": 2, "os": 5, "deb": 9, "rpm": 10, "apk": 2}[f[0]]
	if want == 0 || len(f) != want {
		return fmt.Errorf("%q with %d fields", f[0], len(f))
	}
	switch f[0] {
	case "os":
		p.os = OS{f[1], f[2], f[3], f[4]}
	case "deb":
		p.deb(f[1:])
	case "rpm":
		p.rpm(f[1:])
	case "apk":
		if f[1] == "" {
			p.endAPK()
		} else if name, value, ok := strings.Cut(f[1], ":"); ok {
			p.apk[name] = value
		}
	}
	return nil
}

func (p *parser) deb(f []string) {
	if f[0] != "installed" {
		return // removed, and its configuration is left
	}
	p.packages = append(p.packages, Package{Type: packageurl.TypeDebian, Name: f[1], Version: f[2], Arch: f[3],
		Source: source(f[1], f[2], f[4], f[5]), Vendor: f[6], URL: f[7]})
}

// source names the source package where it is not called as the package is.
func source(name, version, source, sourceVersion string) string {
	switch {
	case source == "" || source == name && (sourceVersion == "" || sourceVersion == version):
		return ""
	case sourceVersion == "" || sourceVersion == version:
		return source
	}
	return source + "@" + sourceVersion
}

func (p *parser) rpm(f []string) {
	for i := range f {
		if f[i] == "(none)" {
			f[i] = ""
		}
	}
	if f[0] == "gpg-pubkey" {
		return // a key that packages are signed by
	}
	p.packages = append(p.packages, Package{Type: packageurl.TypeRPM, Name: f[0], Epoch: f[1], Version: f[2] + "-" + f[3], Arch: f[4],
		Source: f[5], License: f[6], Vendor: f[7], URL: f[8]})
}

// endAPK ends the lines about one package.
func (p *parser) endAPK() {
	if f := p.apk; f["P"] != "" {
		p.packages = append(p.packages, Package{Type: packageurl.TypeApk, Name: f["P"], Version: f["V"], Arch: f["A"],
			Source: source(f["P"], f["V"], f["o"], ""), License: f["L"], Vendor: f["m"], URL: f["U"]})
	}
	p.apk = map[string]string{}
}

func (inv *Inventory) purl(p Package) string {
	namespace := inv.OS.ID
	if namespace == "" {
		namespace = map[string]string{packageurl.TypeDebian: "debian", packageurl.TypeApk: "alpine"}[p.Type]
	}
	var q packageurl.Qualifiers
	add := func(key, value string) {
		if value != "" {
			q = append(q, packageurl.Qualifier{Key: key, Value: value})
		}
	}
	add("arch", p.Arch)
	if inv.OS.ID != "" {
		add("distro", strings.TrimSuffix(inv.OS.ID+"-"+inv.OS.VersionID, "-"))
	}
	add("epoch", p.Epoch)
	add("upstream", p.Source)
	return packageurl.NewPackageURL(p.Type, namespace, p.Name, p.Version, q, "").ToString()
}
