package gce_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"google.golang.org/api/compute/v1"
	"google.golang.org/api/option"

	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
)

func TestMain(m *testing.M) { sandboxtest.Main(m) }

type withToken struct{ token string }

func (w withToken) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+w.token)
	return http.DefaultTransport.RoundTrip(r)
}

// real is a sandbox with machines, and a client of it.
type real struct {
	*compute.Service
	t       *testing.T
	sandbox *sandboxtest.Sandbox
	key     ssh.Signer
}

const (
	proj = "acme"
	zone = "europe-west1-b"
)

func start(t *testing.T) *real {
	t.Helper()
	r := &real{t: t, sandbox: sandboxtest.Start(t, sandboxtest.Options{})}
	host := r.sandbox.Host()
	var err error
	r.Service, err = compute.NewService(context.Background(), option.WithEndpoint(host.GCE+"/compute/v1/"),
		option.WithHTTPClient(&http.Client{Transport: withToken{host.GoogleToken}}))
	if err != nil {
		t.Fatal(err)
	}
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if r.key, err = ssh.NewSignerFromKey(key); err != nil {
		t.Fatal(err)
	}
	return r
}

func (r *real) login(user string) string {
	return user + ":" + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(r.key.PublicKey())))
}

func (r *real) done(op *compute.Operation, err error) {
	r.t.Helper()
	for err == nil && op.Status != "DONE" {
		if op.Zone != "" {
			op, err = r.ZoneOperations.Wait(proj, zone, op.Name).Do()
		} else {
			op, err = r.GlobalOperations.Wait(proj, op.Name).Do()
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	if op.Error != nil {
		r.t.Fatalf("%s: %s", op.OperationType, op.Error.Errors[0].Message)
	}
}

// launch makes an instance, and waits until it runs.
func (r *real) launch(name, image string, metadata map[string]string, more ...*compute.AttachedDisk) {
	r.t.Helper()
	in := &compute.Instance{
		Name: name, MachineType: "zones/" + zone + "/machineTypes/e2-small",
		Disks:             append([]*compute.AttachedDisk{{Boot: true, InitializeParams: &compute.AttachedDiskInitializeParams{SourceImage: image}}}, more...),
		NetworkInterfaces: []*compute.NetworkInterface{{AccessConfigs: []*compute.AccessConfig{{}}}},
		Metadata:          &compute.Metadata{},
	}
	for key, value := range metadata {
		in.Metadata.Items = append(in.Metadata.Items, &compute.MetadataItems{Key: key, Value: &value})
	}
	r.done(r.Instances.Insert(proj, zone, in).Do())
}

// run runs a command in an instance, as soon as its port is open.
func (r *real) run(name, user, command string) string {
	r.t.Helper()
	in, err := r.Instances.Get(proj, zone, name).Do()
	if err != nil {
		r.t.Fatal(err)
	}
	address := in.NetworkInterfaces[0].AccessConfigs[0].NatIP + ":22"
	var client *ssh.Client
	r.eventually("SSH", func() bool {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			return false
		}
		c, chans, reqs, err := ssh.NewClientConn(conn, address, &ssh.ClientConfig{User: user,
			Auth: []ssh.AuthMethod{ssh.PublicKeys(r.key)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if err != nil {
			conn.Close()
			return false
		}
		client = ssh.NewClient(c, chans, reqs)
		return true
	})
	defer client.Close()
	session, err := client.NewSession()
	if err != nil {
		r.t.Fatal(err)
	}
	out, err := session.CombinedOutput(command)
	if err != nil {
		r.t.Fatalf("%s: %v\n%s", command, err, out)
	}
	return strings.TrimSpace(string(out))
}

func (r *real) eventually(what string, ok func() bool) {
	r.t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			r.t.Fatalf("it never came: %s", what)
		}
	}
}

func (r *real) console(name string) string {
	r.t.Helper()
	out, err := r.Instances.GetSerialPortOutput(proj, zone, name).Do()
	if err != nil {
		r.t.Fatal(err)
	}
	return out.Contents
}

// A real machine: logins, scripts, its metadata server, a data disk, and an
// image of it that boots again.
func TestMachine(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.launch("first", "projects/debian-cloud/global/images/family/debian-12", map[string]string{
		"ssh-keys": r.login("ann"), "enable-guest-attributes": "TRUE", "greeting": "hello",
		"startup-script":  "#!/bin/sh\necho started; echo oops >&2\nexit 3\n",
		"shutdown-script": "#!/bin/sh\ndate >/etc/was-shut-down; echo stopping\n",
	}, &compute.AttachedDisk{DeviceName: "data", AutoDelete: true, InitializeParams: &compute.AttachedDiskInitializeParams{DiskSizeGb: 1}})

	for command, want := range map[string]string{
		"sudo id -u": "0",
		"curl -s -H Metadata-Flavor:Google http://metadata.google.internal/computeMetadata/v1/instance/attributes/greeting": "hello",
		"curl -s -o /dev/null -w '%{http_code}' http://metadata.google.internal/computeMetadata/v1/instance/id":             "403",
		"echo bytes | sudo tee /dev/disk/by-id/google-data >/dev/null; sudo head -c5 /dev/sdb":                              "bytes",
		"echo baked | sudo tee /etc/baked": "baked",
		"curl -s -X PUT -H Metadata-Flavor:Google -d 42 http://metadata/computeMetadata/v1/instance/guest-attributes/ingot/done": "",
	} {
		if got := r.run("first", "ann", command); got != want {
			t.Errorf("%s: %q, want %q", command, got, want)
		}
	}
	r.eventually("the startup script's output", func() bool {
		text := r.console("first")
		return strings.Contains(text, "startup-script: started") && strings.Contains(text, "startup-script: oops") && strings.Contains(text, "startup-script exit status 3")
	})
	guest, err := r.Instances.GetGuestAttributes(proj, zone, "first").QueryPath("ingot/").Do()
	if err != nil || guest.QueryValue.Items[0].Value != "42" {
		t.Errorf("guest attributes: %+v, %v", guest, err)
	}
	in, err := r.Instances.Get(proj, zone, "first").Do()
	if err != nil {
		t.Fatal(err)
	}
	both := r.login("ann") + "\n" + r.login("bob")
	in.Metadata.Items = append(in.Metadata.Items[:0:0], &compute.MetadataItems{Key: "ssh-keys", Value: &both})
	r.done(r.Instances.SetMetadata(proj, zone, "first", in.Metadata).Do())
	if got := r.run("first", "bob", "whoami"); got != "bob" {
		t.Errorf("whoami: %s", got)
	}
	r.done(r.Instances.Stop(proj, zone, "first").Do())
	r.done(r.Images.Insert(proj, &compute.Image{Name: "baked", SourceDisk: "zones/" + zone + "/disks/first"}).Do())
	r.done(r.Instances.Delete(proj, zone, "first").Do())
	r.done(r.Disks.Delete(proj, zone, "first").Do())

	r.launch("second", "global/images/baked", map[string]string{"ssh-keys": r.login("ann")})
	if got := r.run("second", "ann", "hostname; cat /etc/baked; test -s /etc/was-shut-down"); got != "second\nbaked" {
		t.Errorf("second: %q", got)
	}
	r.sandbox.Restart()
	if got := r.run("second", "ann", "cat /etc/baked"); got != "baked" {
		t.Errorf("after a restart: %q", got)
	}
	r.done(r.Instances.Delete(proj, zone, "second").Do())
	r.done(r.Disks.Delete(proj, zone, "second").Do())
	r.done(r.Images.Delete(proj, "baked").Do())
	if left := r.sandbox.Leaks(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
