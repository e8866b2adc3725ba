// Package hcpsbom is the provisioner "hcp-sbom" of Packer: it keeps a software
// bill of materials with the artifact, in ingot's registry.
package hcpsbom

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	own "github.com/ingot-build/ingot/internal/sbom"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/sbom"
)

// Config is the options of the provisioner. As in Packer, it is a warning when
// there comes no document of it; the provisioner sbom fails then.
type Config struct {
	// Source is a document that is on the machine, as CycloneDX or SPDX in
	// JSON. Either it or auto_generate is set.
	Source string `hcl:"source,optional"`
	// AutoGenerate makes the document: a list of the packages that dpkg, rpm
	// and apk have on the machine. Nothing is uploaded. Default false.
	AutoGenerate bool `hcl:"auto_generate,optional"`
	// Destination is a file of this host, or a folder that exists, for a copy
	// of the document. Default: no copy.
	Destination string `hcl:"destination,optional"`
	// SbomName is what the document is called. Default "sbom".
	SbomName string `hcl:"sbom_name,optional"`
	// ScannerArgs say the format: "-o" and "cyclonedx-json" or "spdx-json".
	// Nothing else is taken. Default ["-o", "cyclonedx-json"].
	ScannerArgs []string `hcl:"scanner_args,optional"`
	// ScanPath is "/", as the packages are those of the whole machine. Default
	// "/".
	ScanPath string `hcl:"scan_path,optional"`

	// ScannerURL has no effect: Packer ignores it too, since it downloads no
	// other scanner. What another one wrote can be named in source.
	ScannerURL string `hcl:"scanner_url,optional" inert:"Packer ignores it too. Run another scanner by a shell provisioner, and name what it wrote in source"`
	// ScannerChecksum has no effect, and needs scanner_url, as in Packer.
	ScannerChecksum string `hcl:"scanner_checksum,optional" inert:"Packer ignores it too: no scanner is downloaded"`
	// ExecuteCommand is refused.
	ExecuteCommand *string `hcl:"execute_command,optional" template:"off" refuse:"no scanner is uploaded and run: the packages are listed by the package managers, which needs no rights. Leave it out"`
	// ElevatedUser is refused.
	ElevatedUser *string `hcl:"elevated_user,optional" refuse:"the packages of Windows are not listed: run a scanner by a powershell provisioner, and name what it wrote in source"`
	// ElevatedPassword is refused.
	ElevatedPassword *string `hcl:"elevated_password,optional" refuse:"the packages of Windows are not listed: run a scanner by a powershell provisioner, and name what it wrote in source"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "hcp-sbom", New: func() provisioners.Provisioner {
		return &Config{SbomName: "sbom", ScanPath: "/", ScannerArgs: []string{"-o", "cyclonedx-json"}}
	}}
}

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{3,36}$`)

// Lower returns what the provisioner sbom lowers to.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	s, err := c.sbom()
	if err != nil {
		return nil, err
	}
	return s.Lower(in)
}

// Attach returns the document.
func (c *Config) Attach(dir string, in provisioners.Input) ([]artifact.Attachment, error) {
	s, err := c.sbom()
	if err != nil {
		return nil, err
	}
	return s.Attach(dir, in)
}

// Lenient is true.
func (c *Config) Lenient() bool { return true }

// sbom is the same for the provisioner sbom.
func (c *Config) sbom() (*sbom.Config, error) {
	s := &sbom.Config{SbomName: c.SbomName, Source: c.Source, Destination: c.Destination}
	switch {
	case c.Source == "" && !c.AutoGenerate:
		return nil, component.Errorf("source", "either source or auto_generate must be set")
	case c.Source != "" && c.AutoGenerate:
		return nil, component.Errorf("auto_generate", "only one of source and auto_generate may be set")
	case c.ScannerChecksum != "" && c.ScannerURL == "":
		return nil, component.Errorf("scanner_checksum", "needs scanner_url")
	case !namePattern.MatchString(c.SbomName):
		return nil, component.Errorf("sbom_name", "%q is no name: it has 3 to 36 letters, digits, - and _", c.SbomName)
	case c.ScanPath != "/":
		return nil, &component.OptionError{Option: "scan_path", Message: fmt.Sprintf("%q is not scanned: the packages are those of the whole machine", c.ScanPath),
			Advice: "run a scanner by a shell provisioner, and name what it wrote in source"}
	case c.Source != "":
		return s, nil
	}
	format, err := c.format()
	s.Formats = []string{format}
	return s, err
}

// format is what scanner_args say, which are syft's.
func (c *Config) format() (string, error) {
	words := strings.Fields(strings.ReplaceAll(strings.Join(c.ScannerArgs, " "), "=", " "))
	if len(words) == 2 && (words[0] == "-o" || words[0] == "--output") {
		switch name, _, _ := strings.Cut(words[1], "@"); name {
		case "cyclonedx-json":
			return own.CycloneDX, nil
		case "spdx-json":
			return own.SPDX, nil
		}
	}
	return "", &component.OptionError{Option: "scanner_args", Message: fmt.Sprintf("%q is not understood: there is no scanner, and just the format can be chosen", c.ScannerArgs),
		Advice: `["-o", "cyclonedx-json"] or ["-o", "spdx-json"]; other tools are run by a shell provisioner, and source names what they wrote`}
}
