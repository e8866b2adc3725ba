package ec2

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// within fails the test when the host does not become as check says.
func (c *cloud) within(what string, check func() bool) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	if err := c.host.until(ctx, check); err != nil {
		c.t.Fatal(what, err)
	}
}

func TestStopAndStart(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	i := c.run()
	id := *i.InstanceId
	must[*sdk.StopInstancesOutput](t)(c.StopInstances(ctx, &sdk.StopInstancesInput{InstanceIds: []string{id}}))
	stopped := c.wait(id, "stopped")
	if stopped.PublicIpAddress != nil {
		t.Error("a stopped instance has a public address")
	}
	if c.host.machine(id).exit != host.Halted {
		t.Error("the machine ended:", c.host.machine(id).exit)
	}
	if _, err := c.ModifyInstanceAttribute(ctx, &sdk.ModifyInstanceAttributeInput{InstanceId: &id, SriovNetSupport: &types.AttributeValue{Value: aws.String("simple")}}); err != nil {
		t.Error(err)
	}
	must[*sdk.StartInstancesOutput](t)(c.StartInstances(ctx, &sdk.StartInstancesInput{InstanceIds: []string{id}}))
	again := c.wait(id, "running")
	if *again.PublicIpAddress == *i.PublicIpAddress || *again.PrivateIpAddress != *i.PrivateIpAddress {
		t.Error("addresses:", *again.PublicIpAddress, *again.PrivateIpAddress)
	}
	must[*sdk.RebootInstancesOutput](t)(c.RebootInstances(ctx, &sdk.RebootInstancesInput{InstanceIds: []string{id}}))
	c.within("reboot", func() bool { return c.host.machines[id].boots == 3 })
}

// A machine that restarts itself boots again; one that shuts itself down stops,
// or terminates where that is its behaviour.
func TestOwnDoing(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	stays := *c.run().InstanceId
	goes := *c.run(func(in *sdk.RunInstancesInput) { in.InstanceInitiatedShutdownBehavior = "terminate" }).InstanceId
	c.host.machine(stays).end(host.Rebooted)
	c.within("reboot", func() bool { return c.host.machines[stays].boots == 2 })
	c.wait(stays, "running")
	c.host.machine(stays).end(host.Halted)
	c.wait(stays, "stopped")
	c.host.machine(goes).end(host.Halted)
	if got := c.wait(goes, "terminated"); *got.StateReason.Code != "Client.InstanceInitiatedShutdown" {
		t.Error("reason:", *got.StateReason.Code)
	}
	if all := c.server.Inventory(); len(all) != 2 { // the instance that stopped, and its volume
		t.Error("inventory:", all)
	}
}

// What ran, runs again after the server was killed and started anew.
func TestRestart(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	m := c.bake("web")
	id := *c.run(func(in *sdk.RunInstancesInput) { in.ImageId = m.ImageId }).InstanceId
	before := c.server.Inventory()
	other := newMemory()
	again, err := New(Options{Dir: c.server.Dir, Host: other, Timing: timing.Zero()}) // with the first one still there: as after kill -9
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = again.Close() }()
	wait, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	if err := other.until(wait, func() bool { return other.machines[id] != nil }); err != nil {
		t.Fatal("no machine:", err)
	}
	if got := other.machine(id).spec.Layers; !slices.Equal(got, []host.LayerID{"base-bookworm", "layer-1"}) {
		t.Error("layers:", got)
	}
	srv := httptest.NewServer(again)
	defer srv.Close()
	c.url = srv.URL
	c.Client = c.in("us-east-1")
	c.wait(id, "running")
	if after := again.Inventory(); !slices.Equal(before, after) {
		t.Errorf("before: %v\nafter: %v", before, after)
	}
}

// An instance whose machine can't boot is terminated with the reason.
func TestBootFails(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	c.host.refuse = context.DeadlineExceeded
	out := must[*sdk.RunInstancesOutput](t)(c.RunInstances(t.Context(), runInput()))
	i := c.wait(*out.Instances[0].InstanceId, "terminated")
	if !strings.HasPrefix(*i.StateReason.Message, "Server.InternalError: ") {
		t.Error("reason:", *i.StateReason.Message)
	}
	c.empty()
}

func TestClientToken(t *testing.T) {
	t.Parallel()
	c := newCloud(t)
	in := runInput(func(in *sdk.RunInstancesInput) { in.ClientToken = aws.String("t1") })
	one := must[*sdk.RunInstancesOutput](t)(c.RunInstances(t.Context(), in))
	two := must[*sdk.RunInstancesOutput](t)(c.RunInstances(t.Context(), in))
	if *one.Instances[0].InstanceId != *two.Instances[0].InstanceId {
		t.Error("the same token launched two instances")
	}
	in.InstanceType = "t3.small"
	if _, err := c.RunInstances(t.Context(), in); code(err) != "IdempotentParameterMismatch" {
		t.Error("the same token for another request:", err)
	}
	found := must[*sdk.DescribeInstancesOutput](t)(c.DescribeInstances(t.Context(), &sdk.DescribeInstancesInput{
		Filters: []types.Filter{{Name: aws.String("client-token"), Values: []string{"t1"}}},
	}))
	if len(found.Reservations) != 1 {
		t.Error("not found by its token")
	}
}

// The image of an instance that is terminated at once is whole.
func TestTerminateWhileCaptured(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t, func(o *Options) { o.Timing.Image = 20 * time.Millisecond }), t.Context()
	i := c.run()
	out := must[*sdk.CreateImageOutput](t)(c.CreateImage(ctx, &sdk.CreateImageInput{InstanceId: i.InstanceId, Name: aws.String("web")}))
	c.terminate(*i.InstanceId)
	m := c.available(c.Client, *out.ImageId)
	run := c.run(func(in *sdk.RunInstancesInput) { in.ImageId = m.ImageId })
	if got := c.host.machine(*run.InstanceId).spec.Layers; len(got) != 2 {
		t.Error("layers:", got)
	}
}

func TestSpot(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	i := c.run(func(in *sdk.RunInstancesInput) {
		in.InstanceMarketOptions = &types.InstanceMarketOptionsRequest{MarketType: "spot"}
	})
	keeps := c.run()
	if i.InstanceLifecycle != "spot" || i.SpotInstanceRequestId == nil {
		t.Error("not a spot instance:", i.InstanceLifecycle)
	}
	if _, err := c.StopInstances(ctx, &sdk.StopInstancesInput{InstanceIds: []string{*i.InstanceId}}); code(err) != "UnsupportedOperation" {
		t.Error("stopped a spot instance:", err)
	}
	m := c.host.machine(*i.InstanceId)
	if status, _ := metadata(m, "/latest/meta-data/spot/instance-action", nil); status != http.StatusNotFound {
		t.Error("notice before there is one:", status)
	}
	if err := c.faults.Add(fault.Rule{Call: "ec2.DescribeVpcs", Do: fault.Spot, Delay: "100ms"}); err != nil {
		t.Fatal(err)
	}
	must[*sdk.DescribeVpcsOutput](t)(c.DescribeVpcs(ctx, &sdk.DescribeVpcsInput{}))
	if status, text := metadata(m, "/latest/meta-data/spot/instance-action", nil); status != http.StatusOK || !strings.Contains(text, "terminate") {
		t.Error("notice:", status, text)
	}
	if got := c.wait(*i.InstanceId, "terminated"); *got.StateReason.Code != "Server.SpotInstanceTermination" {
		t.Error("reason:", *got.StateReason.Code)
	}
	c.wait(*keeps.InstanceId, "running")
}

// metadata asks the metadata service of a machine.
func metadata(m *memoryMachine, path string, header http.Header) (int, string) {
	method := http.MethodGet
	if strings.HasSuffix(path, "/api/token") {
		method = http.MethodPut
	}
	r := httptest.NewRequest(method, path, nil)
	r.Header = header
	if header == nil {
		r.Header = http.Header{}
	}
	w := httptest.NewRecorder()
	m.spec.Metadata.ServeHTTP(w, r)
	return w.Code, strings.TrimSpace(w.Body.String())
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	must[*sdk.CreateKeyPairOutput](t)(c.CreateKeyPair(ctx, &sdk.CreateKeyPairInput{KeyName: aws.String("k"), KeyType: "ed25519"}))
	script := "#!/bin/sh\necho hello\n"
	i := c.run(func(in *sdk.RunInstancesInput) {
		in.KeyName, in.UserData = aws.String("k"), aws.String(base64.StdEncoding.EncodeToString([]byte(script)))
		in.MetadataOptions = &types.InstanceMetadataOptionsRequest{HttpTokens: "required", InstanceMetadataTags: "enabled"}
		in.TagSpecifications = []types.TagSpecification{{ResourceType: "instance", Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("web")}}}}
	})
	m := c.host.machine(*i.InstanceId)
	if string(m.spec.FirstBoot) != script {
		t.Errorf("first boot: %q", m.spec.FirstBoot)
	}
	if status, _ := metadata(m, "/latest/meta-data/", nil); status != http.StatusUnauthorized {
		t.Error("without a token:", status)
	}
	status, token := metadata(m, "/latest/api/token", http.Header{"X-Aws-Ec2-Metadata-Token-Ttl-Seconds": {"60"}})
	if status != http.StatusOK {
		t.Fatal("token:", status)
	}
	with := http.Header{"X-Aws-Ec2-Metadata-Token": {token}}
	for path, want := range map[string]string{
		"instance-id": *i.InstanceId, "ami-id": debianAMI, "local-ipv4": *i.PrivateIpAddress, "public-ipv4": *i.PublicIpAddress,
		"placement/availability-zone": "us-east-1a", "placement/region": "us-east-1", "instance-type": "t3.micro",
		"public-keys/": "0=k", "security-groups": "default", "tags/instance/Name": "web", "instance-life-cycle": "on-demand",
	} {
		if status, got := metadata(m, "/latest/meta-data/"+path, with); status != http.StatusOK || got != want {
			t.Errorf("%s: %d %q, want %q", path, status, got, want)
		}
	}
	if _, got := metadata(m, "/latest/user-data", with); got != strings.TrimSpace(script) {
		t.Errorf("user data: %q", got)
	}
	if _, got := metadata(m, "/latest/meta-data/public-keys/0/openssh-key", with); !strings.HasPrefix(got, "ssh-ed25519 ") {
		t.Errorf("key: %q", got)
	}
	_, text := metadata(m, "/latest/dynamic/instance-identity/document", with)
	var doc struct{ InstanceID, Region string }
	if err := json.Unmarshal([]byte(text), &doc); err != nil || doc.Region != "us-east-1" {
		t.Error("identity:", text, err)
	}
	if status, _ := metadata(m, "/latest/meta-data/", http.Header{"X-Aws-Ec2-Metadata-Token": {"stolen"}}); status != http.StatusUnauthorized {
		t.Error("with a wrong token:", status)
	}
	must[*sdk.ModifyInstanceMetadataOptionsOutput](t)(c.ModifyInstanceMetadataOptions(ctx, &sdk.ModifyInstanceMetadataOptionsInput{InstanceId: i.InstanceId, HttpEndpoint: "disabled"}))
	if status, _ := metadata(m, "/latest/meta-data/", with); status != http.StatusForbidden {
		t.Error("disabled:", status)
	}
}

func TestUserData(t *testing.T) {
	t.Parallel()
	multi := "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=\"b\"\r\n\r\n" +
		"--b\r\nContent-Type: text/cloud-config\r\n\r\n#cloud-config\npackages: [x]\r\n" +
		"--b\r\nContent-Type: text/x-shellscript\r\n\r\n#!/bin/sh\necho one\r\n" +
		"--b\r\nContent-Type: text/x-shellscript\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho two\n")) + "\r\n--b--\r\n"
	for name, test := range map[string]struct {
		in   string
		want []string
	}{
		"script":       {"#!/bin/bash\necho $HOME\n", []string{"#!/bin/bash\necho $HOME\n"}},
		"cloud-config": {"#cloud-config\nusers: []\n", []string{"cloud-config user data is not run"}},
		"other":        {"hello", []string{"echo 'sandbox: user data is not run"}},
		"multipart": {multi, []string{"cloud-config user data is not run",
			base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho one")), base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\necho two\n"))}},
		"none": {"", []string{""}},
	} {
		got := string(firstBoot(base64.StdEncoding.EncodeToString([]byte(test.in))))
		for _, want := range test.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: %q does not have %q", name, got, want)
			}
		}
	}
}
