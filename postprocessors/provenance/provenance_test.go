package provenance

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/opencontainers/go-digest"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/sbom"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/postprocessors/postprocessortest"
)

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	if change != nil {
		change(c)
	}
	return c
}

// input is of an artifact of one file.
func input(t *testing.T) postprocessors.Input {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "web.img"), []byte("web"), 0o600); err != nil {
		t.Fatal(err)
	}
	in := postprocessortest.Input(dir, artifact.Artifact{Builder: "file", ID: "File", Files: []artifact.File{{Path: "web.img", Size: 3}}})
	in.Build, in.BuildName, in.BuilderType = "file.web", "web", "file"
	return in
}

func read(t *testing.T, in postprocessors.Input, file string) map[string]any {
	t.Helper()
	text, err := os.ReadFile(in.Path(file))
	if err != nil {
		t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	return out
}

// at returns what is at a path of names.
func at(value any, path ...string) any {
	for _, name := range path {
		m, _ := value.(map[string]any)
		value = m[name]
	}
	return value
}

func process(t *testing.T, c *Config, in postprocessors.Input) {
	t.Helper()
	if err := c.Check(in); err != nil {
		t.Fatal(err)
	}
	r, err := c.Process(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in.Artifact, r.Artifact); diff != "" || !r.Keep || !r.MustKeep {
		t.Errorf("the artifact is another one: %+v\n%s", r, diff)
	}
}

func TestStatement(t *testing.T) {
	t.Parallel()
	in := input(t)
	in.Secrets.Add("hunter2")
	process(t, config(func(c *Config) {
		c.Template, c.OnlyBuilds, c.SourceURI = "web.pkr.hcl", []string{"file.web"}, "https://example.com/hunter2"
		c.UserVariables = map[string]secret.String{"region": secret.Plain("eu"), "password": secret.Sensitive("x"), "url": secret.Plain("a:hunter2@b")}
	}), in)
	got := read(t, in, "web.img.provenance.json")
	if got["_type"] != "https://in-toto.io/Statement/v1" || got["predicateType"] != "https://slsa.dev/provenance/v1" {
		t.Errorf("it is a %v of %v", got["_type"], got["predicateType"])
	}
	want := []any{map[string]any{"name": "web.img", "digest": map[string]any{"sha256": digest.FromString("web").Encoded()}}}
	if diff := cmp.Diff(any(want), got["subject"]); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
	define := at(got, "predicate", "buildDefinition")
	external := map[string]any{"build": "file.web", "template": "web.pkr.hcl", "onlyBuilds": []any{"file.web"}, "userVariables": map[string]any{"region": "eu"}}
	if diff := cmp.Diff(any(external), at(define, "externalParameters")); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
	if at(define, "buildType") != "https://packer.io/buildtypes/hcl2/v1" || at(define, "internalParameters", "packerBuilderType") != "file" {
		t.Errorf("definition: %v", define)
	}
	if text, _ := json.Marshal(got); strings.Contains(string(text), "hunter2") || !strings.Contains(string(text), "https://example.com/\\u003csensitive\\u003e") {
		t.Errorf("a secret is not redacted:\n%s", text)
	}
}

// What is in a cloud is known by its identity, a container's image by its digest.
func TestSubjects(t *testing.T) {
	t.Parallel()
	in := input(t)
	in.Artifact = artifact.Artifact{Builder: "amazon-ebs", ID: "eu-west-1:ami-1", Places: []artifact.Place{{Name: "eu-west-1", ID: "ami-1"}}}
	process(t, config(func(c *Config) { c.OutputDir = "out/att" }), in)
	got := read(t, in, "out/att/web.amazon-ebs-eu-west-1_ami-1.provenance.json")
	list, _ := at(got, "predicate", "runDetails", "byproducts").([]any)
	if len(list) != 1 {
		t.Fatalf("byproducts: %v", list)
	}
	identity, _ := base64.StdEncoding.DecodeString(fmt.Sprint(at(list[0], "content")))
	if want := `{"builderId":"amazon-ebs","id":"eu-west-1:ami-1","places":[{"name":"eu-west-1","id":"ami-1"}]}`; string(identity) != want {
		t.Errorf("identity %s", identity)
	}
	in.Artifact = postprocessortest.Image(t)
	in.Artifact.Tags = []string{"acme/web:1"}
	process(t, config(nil), in)
	files, _ := filepath.Glob(in.Path("web.docker-sha256_*.provenance.json"))
	if len(files) != 1 {
		t.Fatalf("files: %v", files)
	}
	hex := strings.TrimPrefix(in.Artifact.Image.Digest, "sha256:")
	want := []any{map[string]any{"name": "acme/web:1", "digest": map[string]any{"sha256": hex}}}
	if diff := cmp.Diff(any(want), read(t, in, files[0])["subject"]); diff != "" {
		t.Errorf("subject (-want +got):\n%s", diff)
	}
}

func TestOff(t *testing.T) {
	t.Parallel()
	in := input(t)
	off := false
	process(t, config(func(c *Config) { c.Provenance = &off }), in)
	if files, _ := filepath.Glob(in.Path("*.json")); len(files) > 0 {
		t.Errorf("written: %v", files)
	}
}

// openssl runs it in a folder.
func openssl(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("openssl", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestSigned has OpenSSL make the keys, and look at the signatures.
func TestSigned(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("install openssl, as make test does: ", err)
	}
	for name, how := range map[string]struct{ key, check []string }{
		"ecdsa":   {[]string{"-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"}, []string{"dgst", "-sha256", "-verify", "pub.pem", "-signature", "sig", "pae"}},
		"rsa":     {[]string{"-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"}, []string{"dgst", "-sha256", "-verify", "pub.pem", "-signature", "sig", "pae"}},
		"ed25519": {[]string{"-algorithm", "ed25519"}, []string{"pkeyutl", "-verify", "-pubin", "-inkey", "pub.pem", "-rawin", "-in", "pae", "-sigfile", "sig"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := input(t)
			openssl(t, in.Dir, append(append([]string{"genpkey"}, how.key...), "-out", "key.pem")...)
			openssl(t, in.Dir, "pkey", "-in", "key.pem", "-pubout", "-out", "pub.pem")
			process(t, config(func(c *Config) { c.SigningMode, c.Key, c.Verifier = "key", "key.pem", "pub.pem" }), in)
			got := read(t, in, "web.img.provenance.json")
			if got["payloadType"] != "application/vnd.in-toto+json" {
				t.Errorf("payload of %v", got["payloadType"])
			}
			payload, err := base64.StdEncoding.DecodeString(fmt.Sprint(got["payload"]))
			if err != nil || !strings.Contains(string(payload), `"https://slsa.dev/provenance/v1"`) {
				t.Errorf("%v, payload %s", err, payload)
			}
			signatures, _ := got["signatures"].([]any)
			sig, err := base64.StdEncoding.DecodeString(fmt.Sprint(at(signatures[0], "sig")))
			if err != nil {
				t.Fatal(err)
			}
			// https://github.com/secure-systems-lab/dsse/blob/master/protocol.md
			pae := fmt.Sprintf("DSSEv1 28 application/vnd.in-toto+json %d %s", len(payload), payload)
			for file, text := range map[string]string{"sig": string(sig), "pae": pae} {
				if err := os.WriteFile(in.Path(file), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			openssl(t, in.Dir, how.check...)
		})
	}
}

func TestOtherVerifier(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Fatal("install openssl, as make test does: ", err)
	}
	in := input(t)
	for _, name := range []string{"a", "b"} {
		openssl(t, in.Dir, "genpkey", "-algorithm", "ed25519", "-out", name+".pem")
		openssl(t, in.Dir, "pkey", "-in", name+".pem", "-pubout", "-out", name+".pub")
	}
	c := config(func(c *Config) { c.SigningMode, c.Signer, c.Verifier = "key", "a.pem", "b.pub" })
	postprocessortest.Refuses(t, c, in, "verifier", "is not the public key of signer")
	c.Verifier = "a.pem"
	postprocessortest.Refuses(t, c, in, "verifier", "is not a public key in PEM")
	c.Signer, c.Verifier = "web.img", ""
	postprocessortest.Refuses(t, c, in, "signer", "is not a private key in PEM")
}

// The list of packages is the one that the build has made.
func TestPackages(t *testing.T) {
	t.Parallel()
	in := input(t)
	in.Attachments = []artifact.Attachment{
		{Name: "sbom", Type: sbom.CycloneDXType, Data: []byte(`{"bomFormat":"CycloneDX","specVersion":"1.6"}`)},
		{Name: "sbom", Type: sbom.SPDXType, Data: []byte(`{"spdxVersion":"SPDX-2.3"}`)},
	}
	process(t, config(func(c *Config) { c.SBOM = true }), in)
	if got := read(t, in, "web.img.sbom.att.json"); got["predicateType"] != "https://cyclonedx.org/bom" || at(got, "predicate", "bomFormat") != "CycloneDX" {
		t.Errorf("attestation: %v", got)
	}
	process(t, config(func(c *Config) { c.SBOM, c.SBOMFormat = true, sbom.SPDX }), in)
	if got := read(t, in, "web.img.sbom.att.json"); got["predicateType"] != "https://spdx.dev/Document" {
		t.Errorf("attestation: %v", got)
	}
	if got := read(t, in, "web.img.sbom.spdx.json"); got["spdxVersion"] != "SPDX-2.3" {
		t.Errorf("list: %v", got)
	}
}

func TestSyftArgs(t *testing.T) {
	t.Parallel()
	c := config(func(c *Config) { c.SBOMFormat, c.SBOMScope, c.SBOMExclude = sbom.SPDX, allLayers, []string{"./tmp/**"} })
	dir := t.TempDir()
	if got, want := c.syftArgs(dir), []string{"scan", "dir:" + dir, "-q", "-o", "spdx-json", "--scope", "all-layers", "--exclude", "./tmp/**"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	for want, files := range map[string][]string{"a/x": {"a/x"}, "a": {"a/x", "a/y"}, "": {"a/x", "b/y"}} {
		in := postprocessors.Input{}
		for _, f := range files {
			in.Artifact.Files = append(in.Artifact.Files, artifact.File{Path: f})
		}
		if got, err := config(nil).scanned(in); got != want || (err == nil) != (want != "") {
			t.Errorf("of %v: %q, %v", files, got, err)
		}
	}
}

func TestGitURI(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"https://me:token@example.com/a.git": "git+https://example.com/a.git@refs/heads/main",
		"git@example.com:a.git":              "git+git@example.com:a.git@refs/heads/main",
	} {
		if got := gitURI(address, "refs/heads/main"); got != want {
			t.Errorf("%s: %s", address, got)
		}
	}
}
