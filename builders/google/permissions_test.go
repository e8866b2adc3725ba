package google

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/ingot-build/ingot/builders"
)

// callPattern is a call of one of Google's services in the code.
var callPattern = regexp.MustCompile(`\.(Compute|OSLogin|Secrets|Parameters|Storage)\.((?:[A-Z]\w+\.)+[A-Z]\w+)\(`)

// permissionOf returns the permission that a method needs whatever its request
// says, "" where it needs none.
func permissionOf(method string) string {
	for _, r := range [][2]string{
		{"oslogin.users.", ""}, // of the account's own profile
		{"compute.regionDisks.", "compute.disks."}, {"Operations.wait", "Operations.get"}, {".insert", ".create"}, {"images.patch", "images.update"},
		{"projects.locations.parameters.versions.", "parameterVersions."}, {"projects.secrets.versions.", "versions."},
	} {
		if strings.Contains(method, r[0]) {
			if method = strings.Replace(method, r[0], r[1], 1); r[1] == "" {
				return ""
			}
		}
	}
	return method
}

// TestPermissions checks that the permissions in the docs are those of the calls
// that the code makes, and no others.
func TestPermissions(t *testing.T) {
	t.Parallel()
	want := map[string]string{ // what requests need for what they ask for
		"compute.disks.create": "disks of an instance", "compute.disks.setLabels": "their labels", "compute.disks.use": "source_volume",
		"compute.disks.useReadOnly": "an image of a disk", "compute.images.useReadOnly": "an instance from an image that is not public",
		"compute.instances.setTags": "tags", "compute.instances.setServiceAccount": "an instance with a service account",
		"iam.serviceAccounts.actAs": "the same", "compute.subnetworks.use": "every instance", "compute.subnetworks.useExternalIp": "one with an external address",
		"compute.addresses.use": "address", "iap.tunnelInstances.accessViaIAP": "use_iap", "compute.instances.osAdminLogin": "use_os_login",
		"iam.serviceAccounts.getAccessToken": "impersonate_service_account",
	}
	services := map[string]string{"Compute": "compute", "OSLogin": "oslogin", "Secrets": "secretmanager", "Parameters": "parametermanager", "Storage": "storage"}
	for _, pattern := range []string{"*.go", "gcp/*.go", "../../datasources/googlecompute*/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatal(pattern, err)
		}
		for _, f := range files {
			text, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasSuffix(f, "_test.go") {
				continue
			}
			for _, m := range callPattern.FindAllStringSubmatch(string(text), -1) {
				if p := permissionOf(methodID(services[m[1]], m[2])); p != "" {
					want[p] = f
				}
			}
		}
	}
	got := slices.Concat(permissionRows(t)...)
	for p, why := range want {
		if !slices.Contains(got, p) {
			t.Errorf("docs/google.md does not have %s (%s)", p, why)
		}
	}
	for _, p := range got {
		if want[p] == "" {
			t.Errorf("docs/google.md has %s, which nothing needs", p)
		}
	}
}

// methodID is "compute.images.get" for Images.Get of the service compute.
func methodID(service, goName string) string {
	id := service
	for part := range strings.SplitSeq(goName, ".") {
		first := []rune(part)
		first[0] = unicode.ToLower(first[0])
		id += "." + string(first)
	}
	return id
}

// TestLeastPermissions checks that a build without special options makes only
// calls that the first rows are for.
func TestLeastPermissions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	b, env := l.open(t, template(func(c *Config) { c.Communicator = "none" })), l.env(t, &lines{})
	a, err := bake(t.Context(), t, b, env)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := builders.Distributor(b).Distribute(t.Context(), a, env); err != nil {
		t.Fatal(err)
	}
	const plain = 4 // rows: looking up, instance, service account, image
	allowed := slices.Concat(permissionRows(t)[:plain]...)
	for _, call := range l.Faults.Calls() {
		if p := permissionOf(strings.Replace(call, "gce.", "compute.", 1)); p != "" && !slices.Contains(allowed, p) {
			t.Errorf("it called %s, which needs %s", call, p)
		}
	}
}

// permissionRows returns the permissions that the docs list, row by row.
func permissionRows(t *testing.T) [][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/google.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), "| for | permissions |\n| --- | --- |\n")
	table, _, _ = strings.Cut(table, "\n\n")
	code := regexp.MustCompile("`((?:compute|iam|iap|storage|secretmanager|parametermanager)?(?:\\.[a-zA-Z]+)+)`")
	var rows [][]string
	for line := range strings.Lines(table) {
		var row []string
		for _, m := range code.FindAllStringSubmatch(line, -1) {
			p := m[1]
			if p[0] == '.' { // of the resource before it
				last := row[len(row)-1]
				p = last[:strings.LastIndex(last, ".")] + p
			}
			row = append(row, p)
		}
		rows = append(rows, row)
	}
	return rows
}
