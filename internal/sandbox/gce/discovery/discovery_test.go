package discovery

import (
	"bytes"
	"encoding/json"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func load(t testing.TB) *Document {
	t.Helper()
	d, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// The document in the repository is what go generate makes of the module's.
func TestUpToDate(t *testing.T) {
	t.Parallel()
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "google.golang.org/api").Output()
	if err != nil {
		t.Skipf("cannot run here: go list: %v", err)
	}
	var d Document
	for _, source := range Sources() {
		text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), source.File))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Cut(text, source.Methods); err != nil {
			t.Fatal(err)
		}
	}
	now, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(now, embedded) {
		t.Error("apis.json is not what the module's documents say: go generate ./internal/sandbox/gce/discovery")
	}
}

func TestRoute(t *testing.T) {
	t.Parallel()
	d := load(t)
	for _, test := range []struct{ request, method, err string }{
		{"GET /compute/v1/projects/p/global/images/i", "compute.images.get", ""},
		{"GET /compute/v1/projects/p/global/images/family/f?alt=json&prettyPrint=false", "compute.images.getFromFamily", ""},
		{"GET /compute/v1/projects/example.com:p/zones/us-central1-a/instances?maxResults=7", "compute.instances.list", ""},
		{"POST /v1/users/ann@example.com:importSshPublicKey?projectId=p", "oslogin.users.importSshPublicKey", ""},
		{"GET /v1/projects/p/secrets/s/versions/latest:access", "secretmanager.projects.secrets.versions.access", ""},
		{"DELETE /storage/v1/b/acme/o/in%2Fdisk.tar.gz?alt=json", "storage.objects.delete", ""},
		{"DELETE /v1/projects/p/secrets/s", "secretmanager.projects.secrets.delete", ""},
		{"GET /compute/v1/projects/p/aggregated/instances?includeAllScopes=True&returnPartialSuccess=True", "compute.instances.aggregatedList", ""},
		{"DELETE /compute/v1/projects/p/global/images/i?returnPartialSuccess=true", "compute.images.delete", `Unknown name "returnPartialSuccess"`},
		{"PUT /compute/v1/projects/p/global/images/i", "", "Method not found."},
		{"GET /compute/v1/projects/p/global/pictures/i", "", "Method not found."},
		{"GET /compute/v1/projects/p/global/images/I", "compute.images.get", "Must be a match of regex"},
		{"GET /compute/v1/projects/p/global/images?filters=x", "compute.images.list", `Unknown name "filters"`},
		{"GET /compute/v1/projects/p/global/images?maxResults=many", "compute.images.list", "TYPE_UINT32"},
		{"GET /compute/v1/projects/p/global/images?maxResults=1&maxResults=2", "compute.images.list", "given twice"},
		{"POST /compute/v1/projects/p/global/images?forceCreate=perhaps", "compute.images.insert", "TYPE_BOOL"},
		{"POST /compute/v1/projects/p/zones/z/instances/i/setDiskAutoDelete?autoDelete=true", "compute.instances.setDiskAutoDelete", "Required field 'deviceName'"},
		{"GET /compute/v1/projects/p/zones/z/instances/i/serialPort?port=9", "compute.instances.getSerialPortOutput", "less than or equal to 4"},
	} {
		verb, url, _ := strings.Cut(test.request, " ")
		m, _, err := d.Route(httptest.NewRequest(verb, url, nil))
		if got := name(m); got != test.method || (err == nil) != (test.err == "") || err != nil && !strings.Contains(err.Error(), test.err) {
			t.Errorf("%s: %s, %v", test.request, got, err)
		}
	}
}

func name(m *Method) string {
	if m == nil {
		return ""
	}
	return m.ID
}

func TestRequest(t *testing.T) {
	t.Parallel()
	d := load(t)
	for _, test := range []struct{ method, body, want, reason string }{
		{"compute.images.insert", `{"name":"i","diskSizeGb":10}`, `{"diskSizeGb":"10","name":"i"}`, ""},
		{"compute.images.insert", `{"name":"i","labels":{"a":"b"},"family":null}`, `{"labels":{"a":"b"},"name":"i"}`, ""},
		{"compute.images.deprecate", ``, `{}`, ""},
		{"compute.images.insert", `{}`, "Required field 'resource.name' not specified", "required"},
		{"compute.images.insert", `{"name":"Capital"}`, "Must be a match of regex", "invalid"},
		{"compute.images.insert", `{"name":"i","nmae":"j"}`, `Unknown name "nmae" at 'resource': Cannot find field.`, "badRequest"},
		{"compute.images.insert", `{"name":"i","licenses":"l"}`, `Invalid value at 'resource.licenses' (TYPE_LIST), "l"`, "badRequest"},
		{"compute.images.insert", `{"name":"i","diskSizeGb":"ten"}`, `Invalid value at 'resource.diskSizeGb' (TYPE_INT64), "ten"`, "badRequest"},
		{"compute.images.insert", `{"name":"i"`, "Invalid JSON payload", "parseError"},
		{"compute.images.insert", `{"name":"i"} {}`, "unexpected text", "parseError"},
		{"compute.images.delete", `{"name":"i"}`, "has no body", "badRequest"},
		{"compute.instances.insert", `{"name":"i","disks":[{"boot":"yes"}]}`, `'resource.disks[0].boot' (TYPE_BOOL)`, "badRequest"},
		{"compute.instances.insert", `{"name":"i","disks":[{"mode":"WRITE"}]}`, "Must be one of [READ_ONLY, READ_WRITE]", "invalid"},
		{"compute.instances.insert", `{"name":"i","metadata":{"items":[{"key":"a b"}]}}`, "items[0]", "required"},
		{"compute.instances.insert", `{"name":"i","tags":{"items":["Web"]}}`, "resource.tags.items[0]", "invalid"},
	} {
		got, err := d.Request(d.Methods[test.method], []byte(test.body))
		if test.reason == "" {
			if err != nil || string(got) != test.want {
				t.Errorf("%s %s: %s, %v", test.method, test.body, got, err)
			}
			continue
		}
		v, ok := err.(*Violation)
		if !ok || v.Reason != test.reason || !strings.Contains(v.Message, test.want) {
			t.Errorf("%s %s: %+v, want %s %q", test.method, test.body, err, test.reason, test.want)
		}
	}
}

func TestResponse(t *testing.T) {
	t.Parallel()
	d := load(t)
	for body, ok := range map[string]bool{
		`{"name":"i","id":"1","status":"READY"}`: true,
		`{"name":"i","id":"one"}`:                false,
		`{"name":null}`:                          false,
		`{"state":"READY"}`:                      false,
	} {
		if err := d.Response(d.Methods["compute.images.get"], []byte(body)); (err == nil) != ok {
			t.Errorf("%s: %v", body, err)
		}
	}
}

// What passes once passes again, unchanged, and nothing makes the checker fail.
func FuzzRequest(f *testing.F) {
	d := load(f)
	ids := []string{"compute.instances.insert", "compute.images.insert", "compute.images.setIamPolicy", "compute.disks.insert",
		"compute.instances.setMetadata", "oslogin.users.importSshPublicKey", "secretmanager.projects.secrets.addVersion"}
	for i := range ids {
		f.Add(uint8(i), []byte(`{"name":"i","disks":[{"boot":true,"diskSizeGb":10}],"labels":{"a":"b"},"scheduling":{"maxRunDuration":{"seconds":"30"}}}`))
		f.Add(uint8(i), []byte(`{"policy":{"bindings":[{"role":"roles/x","members":["allUsers"]}],"etag":"AAAA"}}`))
		f.Add(uint8(i), []byte(`[1e999, {"a":[[]]}, null]`))
	}
	f.Fuzz(func(t *testing.T, n uint8, body []byte) {
		m := d.Methods[ids[int(n)%len(ids)]]
		once, err := d.Request(m, body)
		if err != nil {
			return
		}
		twice, err := d.Request(m, once)
		if err != nil || !bytes.Equal(once, twice) {
			t.Errorf("%s: once %s, twice %s, %v", m.ID, once, twice, err)
		}
		if !json.Valid(once) {
			t.Errorf("not JSON: %s", once)
		}
	})
}
