package sbom

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/google/uuid"
	spdxjson "github.com/spdx/tools-golang/json"
	"github.com/spdx/tools-golang/spdx"
	"github.com/spdx/tools-golang/spdx/v2/common"
)

// The media types of documents, as JSON.
const (
	CycloneDXType = "application/vnd.cyclonedx+json"
	SPDXType      = "application/spdx+json"
)

// The formats that documents may be in, and what a file of each ends in.
const (
	CycloneDX = "cyclonedx"
	SPDX      = "spdx"
)

// Type returns the media type of a format, "" for one that is not known.
func Type(format string) string {
	return map[string]string{CycloneDX: CycloneDXType, SPDX: SPDXType}[format]
}

// Format returns the format of a media type, "" for one that is not known.
func Format(mediaType string) string {
	return map[string]string{CycloneDXType: CycloneDX, SPDXType: SPDX}[mediaType]
}

// Extension returns what the name of a file of a media type ends in.
func Extension(mediaType string) string {
	if mediaType == CycloneDXType {
		return ".cdx.json"
	}
	return ".spdx.json"
}

// Write returns the inventory as a document of that format. Name is what it is
// about. The same inventory has the same serial number.
func (inv *Inventory) Write(format, name string, now time.Time) ([]byte, error) {
	switch format {
	case CycloneDX:
		return inv.cycloneDX(name, now)
	case SPDX:
		return inv.spdx(name, now)
	}
	return nil, fmt.Errorf("there is no format %q: it is %s or %s", format, CycloneDX, SPDX)
}

// id is the same for the same packages.
func (inv *Inventory) id(name string) string {
	text := name
	for _, p := range inv.Packages {
		text += "\n" + p.purl
	}
	return "urn:uuid:" + uuid.NewSHA1(uuid.NameSpaceURL, []byte(text)).String()
}

func (inv *Inventory) cycloneDX(name string, now time.Time) ([]byte, error) {
	bom := cdx.NewBOM()
	bom.SerialNumber = inv.id(name)
	bom.Metadata = &cdx.Metadata{
		Timestamp: now.UTC().Format(time.RFC3339),
		Tools:     &cdx.ToolsChoice{Components: &[]cdx.Component{{Type: cdx.ComponentTypeApplication, Name: "ingot"}}},
		Component: &cdx.Component{BOMRef: "image", Type: cdx.ComponentTypePlatform, Name: name},
	}
	components := []cdx.Component{}
	if inv.OS.ID != "" {
		components = append(components, cdx.Component{BOMRef: "os", Type: cdx.ComponentTypeOS, Name: inv.OS.ID,
			Version: inv.OS.VersionID, Description: inv.OS.PrettyName})
	}
	for _, p := range inv.Packages {
		c := cdx.Component{BOMRef: p.purl, Type: cdx.ComponentTypeLibrary, Name: p.Name, Version: p.Version, PackageURL: p.purl, Publisher: p.Vendor}
		if p.Epoch != "" {
			c.Version = p.Epoch + ":" + p.Version
		}
		if p.License != "" {
			c.Licenses = &cdx.Licenses{{License: &cdx.License{Name: p.License}}}
		}
		if p.URL != "" {
			c.ExternalReferences = &[]cdx.ExternalReference{{Type: cdx.ERTypeWebsite, URL: p.URL}}
		}
		components = append(components, c)
	}
	bom.Components = &components
	var out bytes.Buffer
	err := cdx.NewBOMEncoder(&out, cdx.BOMFileFormatJSON).SetPretty(true).SetEscapeHTML(false).EncodeVersion(bom, cdx.SpecVersion1_6)
	return out.Bytes(), err
}

const unknown = "NOASSERTION"

func (inv *Inventory) spdx(name string, now time.Time) ([]byte, error) {
	doc := &spdx.Document{
		SPDXVersion: spdx.Version, DataLicense: spdx.DataLicense, SPDXIdentifier: "DOCUMENT",
		DocumentName: name, DocumentNamespace: inv.id(name),
		CreationInfo: &spdx.CreationInfo{Created: now.UTC().Format(time.RFC3339), Creators: []common.Creator{{CreatorType: "Tool", Creator: "ingot"}}},
	}
	image := inv.element("Image", name)
	image.PrimaryPackagePurpose = "OPERATING-SYSTEM"
	image.PackageVersion, image.PackageSummary = inv.OS.VersionID, inv.OS.PrettyName
	doc.Packages = []*spdx.Package{image}
	doc.Relationships = []*spdx.Relationship{relate("DOCUMENT", "DESCRIBES", "Image")}
	for i, p := range inv.Packages {
		id := fmt.Sprintf("Package-%s-%d", p.Type, i+1)
		e := inv.element(id, p.Name)
		e.PackageVersion = p.Version
		if p.Epoch != "" {
			e.PackageVersion = p.Epoch + ":" + p.Version
		}
		if p.Vendor != "" {
			e.PackageSupplier = &common.Supplier{SupplierType: "Organization", Supplier: p.Vendor}
		}
		if strings.Contains(p.URL, "://") {
			e.PackageHomePage = p.URL
		}
		if p.License != "" {
			e.PackageLicenseComments = "The package says: " + p.License
		}
		if p.Source != "" {
			e.PackageSourceInfo = "made from " + p.Source
		}
		e.PackageExternalReferences = []*spdx.PackageExternalReference{{Category: "PACKAGE-MANAGER", RefType: "purl", Locator: p.purl}}
		doc.Packages = append(doc.Packages, e)
		doc.Relationships = append(doc.Relationships, relate("Image", "CONTAINS", common.ElementID(id)))
	}
	var out bytes.Buffer
	err := spdxjson.Write(doc, &out, spdxjson.Indent("  "), spdxjson.EscapeHTML(false))
	return out.Bytes(), err
}

func (inv *Inventory) element(id, name string) *spdx.Package {
	return &spdx.Package{PackageSPDXIdentifier: common.ElementID(id), PackageName: name, PackageDownloadLocation: unknown,
		PackageLicenseConcluded: unknown, PackageLicenseDeclared: unknown, PackageCopyrightText: unknown}
}

func relate(a common.ElementID, how string, b common.ElementID) *spdx.Relationship {
	return &spdx.Relationship{RefA: common.MakeDocElementID("", string(a)), RefB: common.MakeDocElementID("", string(b)), Relationship: how}
}

// Detect returns the media type of a document that some tool made, CycloneDX or
// SPDX as JSON.
func Detect(data []byte) (string, error) {
	var bom cdx.BOM
	cdxErr := cdx.NewBOMDecoder(bytes.NewReader(data), cdx.BOMFileFormatJSON).Decode(&bom)
	if cdxErr == nil && bom.BOMFormat == cdx.BOMFormat {
		return CycloneDXType, nil
	}
	doc, spdxErr := spdxjson.Read(bytes.NewReader(data))
	if spdxErr == nil && doc.SPDXVersion != "" {
		return SPDXType, nil
	}
	text := strings.TrimSpace(string(data[:min(len(data), 4096)]))
	switch {
	case cdxErr != nil && strings.Contains(text, `"`+cdx.BOMFormat+`"`):
		return "", fmt.Errorf("it is no valid CycloneDX: %w", cdxErr)
	case spdxErr != nil && strings.Contains(text, `"spdxVersion"`):
		return "", fmt.Errorf("it is no valid SPDX: %w", spdxErr)
	case strings.HasPrefix(text, "<"):
		return "", errors.New("it is XML: have the tool write CycloneDX or SPDX as JSON")
	}
	return "", errors.New("it is neither CycloneDX nor SPDX as JSON")
}
