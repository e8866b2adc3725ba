package gce

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// guest asks the metadata server of a machine.
func guest(m *idle, method, path, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "http://metadata.google.internal"+path, strings.NewReader(body))
	r.Header.Set("Metadata-Flavor", "Google")
	w := httptest.NewRecorder()
	m.spec.Metadata.ServeHTTP(w, r)
	return w
}

func TestMetadataServer(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := small("web")
	in.Metadata.Items = append(in.Metadata.Items, &compute.MetadataItems{Key: "my-key", Value: text("v")})
	in.Tags = &compute.Tags{Items: []string{"http", "https"}}
	in.ServiceAccounts = []*compute.ServiceAccount{{Email: "bot@acme.iam.gserviceaccount.com", Scopes: []string{"s1", "s2"}}}
	in = b.insert(in)
	m := b.memory.machine("web")
	const root = "/computeMetadata/v1/"
	for path, want := range map[string]string{
		"/":                                   "computeMetadata/\n",
		root:                                  "instance/\nproject/\n",
		root + "instance/attributes/my-key":   "v",
		root + "instance/attributes/":         "my-key\nssh-keys\n",
		root + "instance/hostname":            "web.us-central1-a.c.acme-images.internal",
		root + "instance/name":                "web",
		root + "instance/tags":                `["http","https"]`,
		root + "instance/disks/0/device-name": "persistent-disk-0",
		root + "instance/network-interfaces/0/access-configs/0/external-ip":       in.NetworkInterfaces[0].AccessConfigs[0].NatIP,
		root + "instance/service-accounts/default/scopes":                         "s1\ns2",
		root + "instance/service-accounts/bot@acme.iam.gserviceaccount.com/email": "bot@acme.iam.gserviceaccount.com",
		root + "instance/attributes/my-key?alt=json":                              `"v"`,
		root + "project/project-id":                                               proj,
		root + "instance/scheduling/?recursive=true":                              `{"automaticRestart":"TRUE","onHostMaintenance":"MIGRATE","preemptible":"FALSE"}`,
		root + "instance/attributes/?recursive=true":                              `{"my-key":"v","ssh-keys":"ann:ssh-ed25519 AAAA ann"}`,
		root + "instance/scheduling/?recursive=true&alt=text":                     "automatic-restart TRUE\non-host-maintenance MIGRATE\npreemptible FALSE\n",
	} {
		if w := guest(m, "GET", path, ""); w.Code != 200 || w.Body.String() != want || w.Header().Get("Metadata-Flavor") != "Google" {
			t.Errorf("%s: %d %q, want %q", path, w.Code, w.Body, want)
		}
	}
	for path, want := range map[string]int{
		root + "instance/attributes/none":   404,
		root + "instance/attributes":        301,
		root + "instance/disks/7/":          404,
		root + "instance/guest-attributes/": 404,
		"/latest/meta-data":                 404,
		root + "instance/name/more":         404,
	} {
		if w := guest(m, "GET", path, ""); w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
	}
	if w := guest(m, "PUT", root+"instance/guest-attributes/a/b", "x"); w.Code != 403 {
		t.Errorf("guest attributes that are off: %d", w.Code)
	}
	if w := guest(m, "POST", root+"instance/name", "x"); w.Code != 405 {
		t.Errorf("POST: %d", w.Code)
	}
	w := guest(m, "GET", root+"instance/service-accounts/default/token", "")
	if !strings.Contains(w.Body.String(), `"access_token":"ya29.`) || !strings.Contains(w.Body.String(), `"token_type":"Bearer"`) {
		t.Errorf("token: %s", w.Body)
	}
	bare := httptest.NewRecorder()
	m.spec.Metadata.ServeHTTP(bare, httptest.NewRequest("GET", root+"instance/name", nil))
	if bare.Code != http.StatusForbidden {
		t.Errorf("without the header: %d", bare.Code)
	}
}

func (b *bench) setMetadata(name string, pairs ...string) {
	b.t.Helper()
	m := &compute.Metadata{Fingerprint: b.instance(name).Metadata.Fingerprint}
	for i := 0; i < len(pairs); i += 2 {
		m.Items = append(m.Items, &compute.MetadataItems{Key: pairs[i], Value: &pairs[i+1]})
	}
	b.done(b.Instances.SetMetadata(proj, zone, name, m).Do())
}

func TestGuestAttributes(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.insert(small("web"))
	_, err := b.Instances.GetGuestAttributes(proj, zone, "web").Do()
	b.refused(err, 404, "notFound", "guestAttributes")
	b.setMetadata("web", "enable-guest-attributes", "TRUE")
	m := b.memory.machine("web")
	const at = "/computeMetadata/v1/instance/guest-attributes/"
	guest(m, "PUT", at+"ingot/startup", "0")
	guest(m, "PUT", at+"ingot/other", "1")
	if w := guest(m, "PUT", at+"ingot", "1"); w.Code != 400 {
		t.Errorf("without a key: %d", w.Code)
	}
	if w := guest(m, "GET", at+"?recursive=true", ""); w.Body.String() != `{"ingot":{"other":"1","startup":"0"}}` {
		t.Errorf("%s", w.Body)
	}
	got, err := b.Instances.GetGuestAttributes(proj, zone, "web").QueryPath("ingot/").Do()
	if err != nil || len(got.QueryValue.Items) != 2 {
		t.Errorf("%+v, %v", got, err)
	}
	got, err = b.Instances.GetGuestAttributes(proj, zone, "web").VariableKey("ingot/startup").Do()
	if err != nil || got.VariableValue != "0" {
		t.Errorf("%+v, %v", got, err)
	}
	guest(m, "DELETE", at+"ingot/startup", "")
	_, err = b.Instances.GetGuestAttributes(proj, zone, "web").QueryPath("ingot/startup").Do()
	b.refused(err, 404, "notFound", "ingot/startup")
}

func TestWaitForChange(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.insert(small("web"))
	m := b.memory.machine("web")
	const path = "/computeMetadata/v1/instance/attributes/?recursive=true"
	now := guest(m, "GET", path, "")
	changed := make(chan string)
	go func() {
		changed <- guest(m, "GET", path+"&wait_for_change=true&last_etag="+now.Header().Get("ETag"), "").Body.String()
	}()
	b.setMetadata("web", "a", "b")
	if got := <-changed; got != `{"a":"b"}` {
		t.Errorf("%s", got)
	}
	// What has changed already is answered at once.
	if w := guest(m, "GET", path+"&wait_for_change=true&last_etag="+now.Header().Get("ETag"), ""); w.Body.String() != `{"a":"b"}` {
		t.Errorf("%s", w.Body)
	}
	if w := guest(m, "GET", path+"&wait_for_change=true&timeout_sec=1", ""); w.Body.String() != `{"a":"b"}` {
		t.Errorf("after the time: %s", w.Body)
	}
}

// Logins follow the metadata of the instance and its project.
func TestLogins(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	p, err := b.Projects.Get(proj).Do()
	if err != nil {
		t.Fatal(err)
	}
	b.insert(small("web"))
	m := b.memory.machine("web")
	keys := "carol:ssh-ed25519 BBBB carol\ndave:ssh-rsa CCCC google-ssh {\"userName\":\"dave\",\"expireOn\":\"2020-01-01T00:00:00+0000\"}"
	b.done(b.Projects.SetCommonInstanceMetadata(proj, &compute.Metadata{Fingerprint: p.CommonInstanceMetadata.Fingerprint,
		Items: []*compute.MetadataItems{{Key: "ssh-keys", Value: &keys}}}).Do())
	eventually(t, "a key of the project", func() bool { return m.has("carol") })
	if !m.has("ann") || m.has("dave") {
		t.Errorf("users: %+v", m.users)
	}
	b.setMetadata("web", "block-project-ssh-keys", "TRUE", "ssh-keys", "bob:ssh-ed25519 DDDD bob")
	eventually(t, "only the instance's own", func() bool { return m.has("bob") && !m.has("carol") })
	b.done(b.Instances.Stop(proj, zone, "web").Do())
	b.done(b.Instances.Start(proj, zone, "web").Do())
	if u := b.memory.machine("web").spec.Users; len(u) != 1 || u[0].Name != "bob" || u[0].Keys[0] != "ssh-ed25519 DDDD bob" {
		t.Errorf("users: %+v", u)
	}
}

func TestScripts(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	in := small("web")
	in.Metadata.Items = append(in.Metadata.Items, &compute.MetadataItems{Key: "startup-script", Value: text("#!/bin/sh\necho 'END'\n")},
		&compute.MetadataItems{Key: "shutdown-script-url", Value: text("http://127.0.0.1/'x")})
	in.Disks = append(in.Disks, &compute.AttachedDisk{DeviceName: "data", InitializeParams: &compute.AttachedDiskInitializeParams{DiskSizeGb: 1}})
	b.insert(in)
	script := string(b.memory.machine("web").spec.EveryBoot)
	for _, want := range []string{"#!/bin/sh\n", "ln -sfn '../../sdb' '/dev/disk/by-id/google-data'\n", "IyEvYmluL3NoCmVjaG8gJ0VORCcK", "run startup-script &\n",
		"'http://127.0.0.1/%27x'", "run shutdown-script\n"} {
		if !strings.Contains(script, want) {
			t.Errorf("no %q in\n%s", want, script)
		}
	}
	if strings.Contains(script, "echo 'END'") {
		t.Error("the script is not encoded")
	}
	if got := b.memory.machine("web"); got.Exit() == host.Halted {
		t.Error("it ended")
	}
}
