// Package sbom is the provisioner "sbom": it lists the packages of the machine
// as a software bill of materials, which is kept with the artifact.
package sbom

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/opencontainers/go-digest"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/sbom"
	"github.com/ingot-build/ingot/provisioners"
)

// Config is the options of the provisioner.
type Config struct {
	// SbomName is what the document is called, where it is listed and read. Each
	// step of a build needs its own. Default "sbom".
	SbomName string `hcl:"sbom_name,optional"`
	// Formats are the formats of the list: "cyclonedx" and "spdx", as JSON.
	// Default both.
	Formats []string `hcl:"formats,optional"`
	// Source is a document that is on the machine already, in place of the list
	// of packages: what another tool wrote, such as syft, as CycloneDX or SPDX
	// in JSON.
	Source string `hcl:"source,optional"`
	// Destination is a folder of this host that gets a copy of each document,
	// or, where there is one document, its file. Default: no copy.
	Destination string `hcl:"destination,optional"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "sbom", New: func() provisioners.Provisioner { return &Config{SbomName: "sbom"} }}
}

// Lenient is false: a step without its document has failed.
func (c *Config) Lenient() bool { return false }

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{3,36}$`)

// Lower returns one op, which changes nothing on the machine.
func (c *Config) Lower(provisioners.Input) ([]op.Op, error) {
	if !namePattern.MatchString(c.SbomName) {
		return nil, component.Errorf("sbom_name", "%q is no name: it has 3 to 36 letters, digits, - and _", c.SbomName)
	}
	for _, f := range c.Formats {
		if sbom.Type(f) == "" {
			return nil, &component.OptionError{Option: "formats", Message: fmt.Sprintf("there is no format %q", f),
				Advice: fmt.Sprintf("%q and %q", sbom.CycloneDX, sbom.SPDX)}
		}
	}
	local := op.Token(op.Attachments) + "/" + c.file()
	if c.Source == "" {
		return []op.Op{&op.Capture{Local: local,
			Run: &op.Exec{Argv: []string{"/bin/sh", "-c", sbom.Script}, Title: "list of the packages"}}}, nil
	}
	if len(c.Formats) > 0 {
		return nil, component.Errorf("formats", "is set together with source, whose format is its own")
	}
	if strings.HasSuffix(c.Source, "/") {
		return nil, component.Errorf("source", "%q is a folder: a file is needed", c.Source)
	}
	return []op.Op{&op.Get{Path: provisioners.RemotePath(c.Source), Local: local}}, nil
}

// file is what the ops bring to this host. Its name says what is made of it, so
// that this counts in the step's key.
func (c *Config) file() string {
	if c.Source != "" {
		return c.SbomName + ".source"
	}
	return c.SbomName + "." + strings.Join(c.formats(), ".")
}

func (c *Config) formats() []string {
	if len(c.Formats) == 0 {
		return []string{sbom.CycloneDX, sbom.SPDX}
	}
	return slices.Compact(slices.Sorted(slices.Values(c.Formats)))
}

// Attach returns the documents, and copies them to the destination.
func (c *Config) Attach(dir string, in provisioners.Input) ([]artifact.Attachment, error) {
	docs, err := c.documents(dir, in.BuilderType+"."+in.BuildName)
	if err != nil {
		return nil, err
	}
	if c.Destination == "" {
		return docs, nil
	}
	if err := c.copy(in.Path(c.Destination), docs); err != nil {
		return nil, fmt.Errorf("destination: %w", err)
	}
	return docs, nil
}

func (c *Config) documents(dir, build string) ([]artifact.Attachment, error) {
	if c.Source != "" {
		data, err := os.ReadFile(filepath.Join(dir, c.file()))
		if err != nil {
			return nil, err
		}
		mediaType, err := sbom.Detect(data)
		if err != nil {
			return nil, builders.WithHint(fmt.Errorf("%s: %w", c.Source, err), "syft writes them by: syft / -o cyclonedx-json="+c.Source)
		}
		return []artifact.Attachment{c.attachment(mediaType, data)}, nil
	}
	f, err := os.Open(filepath.Join(dir, c.file()))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	inv, err := sbom.ParseInventory(f)
	if err != nil {
		return nil, err
	}
	var docs []artifact.Attachment
	for _, format := range c.formats() {
		data, err := inv.Write(format, build, time.Now())
		if err != nil {
			return nil, err
		}
		docs = append(docs, c.attachment(sbom.Type(format), data))
	}
	return docs, nil
}

func (c *Config) attachment(mediaType string, data []byte) artifact.Attachment {
	return artifact.Attachment{Name: c.SbomName, Type: mediaType, Digest: digest.FromBytes(data).String(), Size: int64(len(data)), Data: data}
}

// copy writes the documents to a folder, or the one there is to a file.
func (c *Config) copy(to string, docs []artifact.Attachment) error {
	st, err := os.Stat(to)
	folder := err == nil && st.IsDir() || len(docs) > 1 || strings.HasSuffix(c.Destination, "/")
	for _, doc := range docs {
		path := to
		if folder {
			path = filepath.Join(to, c.SbomName+sbom.Extension(doc.Type))
		}
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, doc.Data, 0o644); err != nil {
			return err
		}
	}
	return nil
}
