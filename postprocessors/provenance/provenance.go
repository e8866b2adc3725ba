// Package provenance is the post-processor "provenance": it writes who built an
// artifact of what, and which packages are in it, as in-toto attestations.
package provenance

import (
	"context"
	"crypto"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/sbom"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors"
)

// Config is the options of the post-processor.
type Config struct {
	// Provenance writes attestations; false leaves the artifact alone. Default
	// true.
	Provenance *bool `hcl:"provenance,optional"`
	// BuildType is the URI that says how such builds are made, in the provenance.
	// Default "https://packer.io/buildtypes/hcl2/v1".
	BuildType string `hcl:"build_type,optional"`
	// OutputDir is the folder of the files. Default: that of the artifact's first
	// file, and the current one for an artifact without files.
	OutputDir string `hcl:"output_dir,optional"`
	// Template is the path of the template, as the provenance has it. Default
	// none.
	Template string `hcl:"template,optional"`
	// OnlyBuilds are the builds that the artifact is of, as the provenance has
	// them. Default none.
	OnlyBuilds []string `hcl:"only_builds,optional"`
	// UserVariables are variables, as the provenance has them. Sensitive ones are
	// left out. Default none.
	UserVariables map[string]secret.String `hcl:"user_variables,optional"`
	// SourceURI is where the template is from. Default: the repository that the
	// CI service or git name, without a login.
	SourceURI string `hcl:"source_uri,optional"`

	// SBOM also writes a list of packages, and an attestation of it: the one that
	// the provisioner sbom or hcp-sbom has made in the build; else, or with
	// sbom_scan_path, the program syft makes it of files. Default false.
	SBOM bool `hcl:"sbom,optional"`
	// SBOMFormat is "cyclonedx" or "spdx". Default "cyclonedx".
	SBOMFormat string `hcl:"sbom_format,optional"`
	// SBOMScanPath is what syft looks at. Default: the artifact's file, or the
	// folder that all its files are in.
	SBOMScanPath string `hcl:"sbom_scan_path,optional"`
	// SBOMScope is which layers of an image syft looks at: "squashed" or
	// "all-layers". Default "squashed".
	SBOMScope string `hcl:"sbom_scope,optional"`
	// SBOMExclude are patterns of paths that syft does not look at.
	SBOMExclude []string `hcl:"sbom_exclude,optional"`

	// SigningMode is "none", or "key" for DSSE envelopes that are signed with a
	// private key. Default "none".
	SigningMode string `hcl:"signing_mode,optional"`
	// Signer is the file of that key, in PEM: ECDSA, Ed25519 or RSA. One that is
	// encrypted is opened with the variable COSIGN_PASSWORD.
	Signer string `hcl:"signer,optional"`
	// Key is another name of signer.
	Key string `hcl:"key,optional"`
	// Verifier is a file with the public key, in PEM, that the signatures must be
	// good for. Default: that of signer.
	Verifier string `hcl:"verifier,optional"`

	// FulcioURL is refused.
	FulcioURL *string `hcl:"fulcio_url,optional" refuse:"signing without a key (keyless) is not supported: use signing_mode = \"key\""`
	// RekorURL is refused.
	RekorURL *string `hcl:"rekor_url,optional" refuse:"signatures are not sent to a transparency log"`
	// UploadTlog is refused.
	UploadTlog *bool `hcl:"upload_tlog,optional" refuse:"signatures are not sent to a transparency log"`
	// TrustedRootPath is refused.
	TrustedRootPath *string `hcl:"trusted_root_path,optional" refuse:"signing without a key (keyless) is not supported: use signing_mode = \"key\""`
	// KeylessIdentity is refused.
	KeylessIdentity *string `hcl:"keyless_identity,optional" refuse:"signing without a key (keyless) is not supported: use signing_mode = \"key\""`
	// KeylessOIDCIssuer is refused.
	KeylessOIDCIssuer *string `hcl:"keyless_oidc_issuer,optional" refuse:"signing without a key (keyless) is not supported: use signing_mode = \"key\""`
}

// Definition lists the post-processor.
func Definition() postprocessors.Definition {
	return postprocessors.Definition{Type: "provenance", New: func() postprocessors.Processor {
		return &Config{BuildType: "https://packer.io/buildtypes/hcl2/v1", SBOMFormat: sbom.CycloneDX, SBOMScope: squashed, SigningMode: "none"}
	}}
}

const squashed, allLayers = "squashed", "all-layers"

// Check looks at the options and the keys.
func (c *Config) Check(in postprocessors.Input) error {
	if sbom.Type(c.SBOMFormat) == "" {
		return component.Errorf("sbom_format", "%q is not one of %s, %s", c.SBOMFormat, sbom.CycloneDX, sbom.SPDX)
	}
	if c.SBOMScope != squashed && c.SBOMScope != allLayers {
		return component.Errorf("sbom_scope", "%q is not one of %s, %s", c.SBOMScope, squashed, allLayers)
	}
	if !c.SBOM {
		for name, set := range map[string]bool{"sbom_scan_path": c.SBOMScanPath != "", "sbom_exclude": len(c.SBOMExclude) > 0, "sbom_scope": c.SBOMScope != squashed} {
			if set {
				return component.Errorf(name, "needs sbom = true")
			}
		}
	}
	if c.SBOM && c.scans() {
		if _, err := syft(); err != nil {
			return component.Errorf("sbom", "%v", err)
		}
	}
	_, err := c.signer(in)
	return err
}

// signer returns what signs, nil without signatures.
func (c *Config) signer(in postprocessors.Input) (*signer, error) {
	if c.Signer != "" && c.Key != "" && c.Signer != c.Key {
		return nil, component.Errorf("key", "is another name of signer, which says something else")
	}
	option, path := "signer", c.Signer
	if path == "" {
		option, path = "key", c.Key
	}
	switch c.SigningMode {
	case "key":
	case "none":
		for name, set := range map[string]bool{option: path != "", "verifier": c.Verifier != ""} {
			if set {
				return nil, component.Errorf(name, `needs signing_mode = "key"`)
			}
		}
		return nil, nil
	case "kms", "keyless":
		e := component.Errorf("signing_mode", "%q is not supported", c.SigningMode)
		e.Advice = `use "key" with a private key in a file, or "none"`
		return nil, e
	default:
		return nil, component.Errorf("signing_mode", "%q is not one of none, key", c.SigningMode)
	}
	if path == "" {
		return nil, component.Errorf("signer", `is needed with signing_mode = "key"`)
	}
	s, err := openSigner(in.Path(path))
	if err != nil {
		return nil, component.Errorf(option, "%v", err)
	}
	if c.Verifier == "" {
		return s, nil
	}
	if err := s.fits(in.Path(c.Verifier)); err != nil {
		return nil, component.Errorf("verifier", "%v", err)
	}
	return s, nil
}

// Process writes the attestations beside the artifact, which stays as it is.
func (c *Config) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	result := postprocessors.Result{Artifact: in.Artifact, Keep: true, MustKeep: true}
	if c.Provenance != nil && !*c.Provenance {
		return result, nil
	}
	s, err := c.signer(in)
	if err != nil {
		return result, err
	}
	subjects, byproducts, err := subjects(ctx, in)
	if err != nil {
		return result, err
	}
	predicate, err := c.predicate(ctx, in, byproducts)
	if err != nil {
		return result, err
	}
	stem := filepath.Join(c.dir(in), stem(in))
	if err := c.attest(in, s, statement{subjects, predicateSLSA, predicate}, stem+".provenance.json"); err != nil {
		return result, err
	}
	if !c.SBOM {
		return result, nil
	}
	list, err := c.packages(ctx, in)
	if err != nil {
		return result, err
	}
	file := stem + ".sbom" + sbom.Extension(sbom.Type(c.SBOMFormat))
	if err := write(in, file, list); err != nil {
		return result, err
	}
	in.Log.Say("Wrote SBOM to " + file)
	predicate, err = document(list)
	if err != nil {
		return result, fmt.Errorf("%s: %w", file, err)
	}
	kind := map[string]string{sbom.CycloneDX: predicateCycloneDX, sbom.SPDX: predicateSPDX}[c.SBOMFormat]
	return result, c.attest(in, s, statement{subjects, kind, predicate}, stem+".sbom.att.json")
}

// attest writes a statement into a file, in an envelope where it is signed.
func (c *Config) attest(in postprocessors.Input, s *signer, st statement, file string) error {
	text, err := st.encode(in.Secrets)
	if err != nil {
		return fmt.Errorf("attestation %s: %w", file, err)
	}
	if s != nil {
		if text, err = s.envelope(text); err != nil {
			return fmt.Errorf("sign %s: %w", file, err)
		}
	}
	if err := write(in, file, text); err != nil {
		return err
	}
	in.Log.Say("Wrote attestation to " + file)
	return nil
}

func write(in postprocessors.Input, file string, text []byte) error {
	_, err := hostfile.Write(in.Path(file), 0o644, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	return err
}

// dir is the folder of the files, as in the template.
func (c *Config) dir(in postprocessors.Input) string {
	switch {
	case c.OutputDir != "":
		return c.OutputDir
	case len(in.Artifact.Files) > 0:
		return filepath.Dir(in.Artifact.Files[0].Path)
	}
	return "."
}

// stem is how the names of the files begin: with the build, which keeps builds of
// one folder apart, and the artifact.
func stem(in postprocessors.Input) string {
	name := plain(in.Artifact.Builder + "-" + in.Artifact.ID)
	if len(in.Artifact.Files) > 0 {
		name = filepath.Base(in.Artifact.Files[0].Path)
	}
	build := plain(in.BuildName)
	if build == "" || name == build || strings.HasPrefix(name, build+".") {
		return name
	}
	return build + "." + name
}

// plain makes text fit for the name of a file.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(".-_", r) {
			return r
		}
		return '_'
	}, text)
}

// Reads is the public key: the attestations are made anew for another one.
func (c *Config) Reads() []string {
	return slices.DeleteFunc([]string{c.Verifier}, func(path string) bool { return path == "" })
}

// password opens keys that are encrypted.
func password(bool) ([]byte, error) { return []byte(os.Getenv("COSIGN_PASSWORD")), nil }

// digestOf is what signatures are of.
const digestOf = crypto.SHA256
