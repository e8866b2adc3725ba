package sbom

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	cdx "github.com/CycloneDX/cyclonedx-go"
	"github.com/package-url/packageurl-go"
	spdxjson "github.com/spdx/tools-golang/json"
)

// all is what the script prints where a machine has all of the package
// managers. The lines of apk are those of Alpine's lib/apk/db/installed.
const all = "inventory\t1\n" +
	"os\talpine\t3.20.3\tAlpine Linux v3.20\t\n" +
	"deb\tinstalled\tlibc6\t2.36-9+deb12u9\tamd64\tglibc\t2.36-9+deb12u9\tGNU Libc Maintainers\thttps://www.gnu.org\n" +
	"deb\tinstalled\tlibgcc-s1\t12.2.0-14\tamd64\tgcc-12\t12.2.0-13\tDebian\t\n" +
	"deb\tconfig-files\tgone\t1\tall\tgone\t1\tDebian\t\n" +
	"rpm\tbash\t(none)\t5.1.8\t9.el9\tx86_64\tbash-5.1.8-9.el9.src.rpm\tGPLv3+\tRocky\t(none)\n" +
	"rpm\tbind-libs\t32\t9.16.23\t18.el9\tx86_64\tbind-9.16.23-18.el9.src.rpm\tMPLv2.0\tRocky\thttps://www.isc.org\n" +
	"rpm\tgpg-pubkey\t(none)\t350d275d\t6279464b\t(none)\t(none)\tpubkey\t(none)\t(none)\n" +
	"apk\tP:musl\napk\tV:1.2.5-r0\napk\tA:x86_64\napk\tU:https://musl.libc.org/\napk\tL:MIT\napk\to:musl\napk\tm:Timo <timo@example.org>\napk\t\n" +
	"apk\tP:libcrypto3\napk\tV:3.3.2-r0\napk\tA:x86_64\napk\tL:Apache-2.0\napk\to:openssl\n"

func TestParseInventory(t *testing.T) {
	t.Parallel()
	inv, err := ParseInventory(strings.NewReader(all))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, p := range inv.Packages {
		got = append(got, p.PURL())
		if _, err := packageurl.FromString(p.PURL()); err != nil {
			t.Errorf("%s: %v", p.PURL(), err)
		}
	}
	want := []string{
		"pkg:apk/alpine/libcrypto3@3.3.2-r0?arch=x86_64&distro=alpine-3.20.3&upstream=openssl",
		"pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.3",
		"pkg:deb/alpine/libc6@2.36-9%2Bdeb12u9?arch=amd64&distro=alpine-3.20.3&upstream=glibc",
		"pkg:deb/alpine/libgcc-s1@12.2.0-14?arch=amd64&distro=alpine-3.20.3&upstream=gcc-12%4012.2.0-13",
		"pkg:rpm/alpine/bash@5.1.8-9.el9?arch=x86_64&distro=alpine-3.20.3&upstream=bash-5.1.8-9.el9.src.rpm",
		"pkg:rpm/alpine/bind-libs@9.16.23-18.el9?arch=x86_64&distro=alpine-3.20.3&epoch=32&upstream=bind-9.16.23-18.el9.src.rpm",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestParseInventoryWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                    "no packages",
		"inventory\t1\n":                      "no packages",
		"bash: not found\n":                   "it is no inventory",
		"inventory\t2\n":                      "it is no inventory",
		"inventory\t1\ndeb\tinstalled\tlib\n": `line 2: "deb" with 3 fields`,
		"inventory\t1\nxbps\tinstalled\n":     `line 2: "xbps" with 2 fields`,
	} {
		if _, err := ParseInventory(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want it to say %q", text, err, want)
		}
	}
}

// TestWrite reads the documents with the formats' own libraries.
func TestWrite(t *testing.T) {
	t.Parallel()
	inv, err := ParseInventory(strings.NewReader(all))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	data, err := inv.Write(CycloneDX, "docker.web", now)
	if err != nil {
		t.Fatal(err)
	}
	var bom cdx.BOM
	if err := cdx.NewBOMDecoder(bytes.NewReader(data), cdx.BOMFileFormatJSON).Decode(&bom); err != nil {
		t.Fatal(err)
	}
	if n := len(*bom.Components); n != len(inv.Packages)+1 || bom.SerialNumber == "" || bom.Metadata.Component.Name != "docker.web" {
		t.Errorf("%d components in %+v", n, bom)
	}
	if typ, err := Detect(data); err != nil || typ != CycloneDXType {
		t.Errorf("detected %q, %v", typ, err)
	}
	data, err = inv.Write(SPDX, "docker.web", now)
	if err != nil {
		t.Fatal(err)
	}
	doc, err := spdxjson.Read(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if len(doc.Packages) != len(inv.Packages)+1 || len(doc.Relationships) != len(doc.Packages) || doc.DocumentNamespace == "" {
		t.Errorf("%d packages, %d relationships in %+v", len(doc.Packages), len(doc.Relationships), doc)
	}
	if typ, err := Detect(data); err != nil || typ != SPDXType {
		t.Errorf("detected %q, %v", typ, err)
	}
	again, err := inv.Write(SPDX, "docker.web", now)
	if err != nil || !bytes.Equal(again, data) {
		t.Errorf("the same inventory gives another document (%v)", err)
	}
	if _, err := inv.Write("xml", "x", now); err == nil {
		t.Error("a format that there is not was written")
	}
}

func TestDetectWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                  "neither CycloneDX nor SPDX",
		"{}":                                "neither CycloneDX nor SPDX",
		"<bom/>":                            "it is XML",
		`{"bomFormat": "CycloneDX", "spec`:  "no valid CycloneDX",
		`{"spdxVersion": "SPDX-2.3", "name`: "no valid SPDX",
	} {
		if _, err := Detect([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want it to say %q", text, err, want)
		}
	}
}

// run runs the script as a machine does.
func run(t *testing.T, home string) *Inventory {
	t.Helper()
	cmd := exec.Command("/bin/sh", "-c", Script)
	cmd.Env = append(os.Environ(), "HOME="+home)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, &stderr)
	}
	inv, err := ParseInventory(bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func find(inv *Inventory, typ, name string) Package {
	for _, p := range inv.Packages {
		if p.Type == typ && p.Name == name {
			return p
		}
	}
	return Package{}
}

func TestScriptDebian(t *testing.T) {
	t.Parallel()
	want, err := exec.Command("dpkg-query", "-W", "-f=${Version}", "dpkg").Output()
	if err != nil {
		t.Skip("cannot run here: it needs dpkg")
	}
	if got := find(run(t, t.TempDir()), "deb", "dpkg"); got.Version != string(want) || got.Arch == "" || got.Vendor == "" {
		t.Errorf("%+v, want the version %s", got, want)
	}
}

const spec = `Name: ingot-test
Epoch: 2
Version: 1.4
Release: 3.el9
Summary: A test
License: MIT
Vendor: Acme
URL: https://example.com/
BuildArch: noarch
%description
A test.
%files
`

// TestScriptRPM installs a package that was made with rpmbuild into a database
// of its own.
func TestScriptRPM(t *testing.T) {
	t.Parallel()
	for _, tool := range []string{"rpm", "rpmbuild"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skip("cannot run here: it needs the Debian package rpm")
		}
	}
	home := t.TempDir()
	macros := "%_dbpath " + home + "/db\n%_topdir " + home + "/top\n"
	for name, text := range map[string]string{".rpmmacros": macros, "test.spec": spec} {
		if err := os.WriteFile(filepath.Join(home, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, line := range []string{"rpmbuild -bb --quiet test.spec", "rpm -i --justdb --nodeps top/RPMS/noarch/ingot-test-1.4-3.el9.noarch.rpm"} {
		cmd := exec.Command("sh", "-c", line)
		cmd.Dir, cmd.Env = home, append(os.Environ(), "HOME="+home)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	got := find(run(t, home), "rpm", "ingot-test")
	if got.Version != "1.4-3.el9" || got.Epoch != "2" || got.License != "MIT" || got.Vendor != "Acme" || got.Arch != "noarch" || got.Source != "ingot-test-1.4-3.el9.src.rpm" {
		t.Errorf("%+v", got)
	}
}
