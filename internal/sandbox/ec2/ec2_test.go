package ec2

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/credentials"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/smithy-go"

	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

const (
	testKey    = "AKIASANDBOX"
	testSecret = "sandbox/secret"
)

// cloud is a server with clients for it.
type cloud struct {
	*sdk.Client
	t      *testing.T
	server *Server
	host   *memory
	faults *fault.Set
	url    string
}

func newCloud(t *testing.T, opts ...func(*Options)) *cloud {
	t.Helper()
	c := &cloud{t: t, host: newMemory(), faults: &fault.Set{}}
	o := Options{Dir: t.TempDir(), Host: c.host, Timing: timing.Zero(), Faults: c.faults, Key: testKey, Secret: testSecret}
	for _, opt := range opts {
		opt(&o)
	}
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	c.server = s
	srv := httptest.NewServer(s)
	c.url = srv.URL
	t.Cleanup(func() {
		srv.Close()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	c.Client = sdk.NewFromConfig(c.config("us-east-1"))
	return c
}

// config is of clients that try once. Each request has a connection of its own:
// one that is kept could be closed just as the next request is sent.
func (c *cloud) config(region string) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: &c.url, RetryMaxAttempts: 1,
		HTTPClient:  awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) { t.DisableKeepAlives = true }),
		Credentials: credentials.NewStaticCredentialsProvider(testKey, testSecret, ""),
	}
}

func (c *cloud) in(region string) *sdk.Client { return sdk.NewFromConfig(c.config(region)) }

// code returns the code of a service's error; "" is none.
func code(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const debianAMI = "ami-0123456789abcdef0"

// run launches an instance and waits until it runs.
func (c *cloud) run(opts ...func(*sdk.RunInstancesInput)) types.Instance {
	c.t.Helper()
	in := &sdk.RunInstancesInput{
		ImageId: aws.String(debianAMI), InstanceType: "t3.micro", MinCount: aws.Int32(1), MaxCount: aws.Int32(1),
	}
	for _, opt := range opts {
		opt(in)
	}
	out := must[*sdk.RunInstancesOutput](c.t)(c.RunInstances(c.t.Context(), in))
	return c.wait(*out.Instances[0].InstanceId, "running")
}

// wait polls until an instance is in a state.
func (c *cloud) wait(id, state string) types.Instance {
	c.t.Helper()
	for {
		out := must[*sdk.DescribeInstancesOutput](c.t)(c.DescribeInstances(c.t.Context(), &sdk.DescribeInstancesInput{InstanceIds: []string{id}}))
		i := out.Reservations[0].Instances[0]
		if string(i.State.Name) == state {
			return i
		}
		again(c.t)
	}
}

func again(t *testing.T) {
	t.Helper()
	select {
	case <-time.After(2 * time.Millisecond):
	case <-t.Context().Done():
		t.Fatal(t.Context().Err())
	}
}

func (c *cloud) available(client *sdk.Client, id string) types.Image {
	c.t.Helper()
	for {
		out := must[*sdk.DescribeImagesOutput](c.t)(client.DescribeImages(c.t.Context(), &sdk.DescribeImagesInput{ImageIds: []string{id}}))
		if out.Images[0].State == types.ImageStateAvailable {
			return out.Images[0]
		}
		again(c.t)
	}
}

// bake makes an image of a new instance, which it terminates.
func (c *cloud) bake(name string) types.Image {
	c.t.Helper()
	i := c.run()
	out := must[*sdk.CreateImageOutput](c.t)(c.CreateImage(c.t.Context(), &sdk.CreateImageInput{InstanceId: i.InstanceId, Name: &name}))
	m := c.available(c.Client, *out.ImageId)
	c.terminate(*i.InstanceId)
	return m
}

func (c *cloud) terminate(id string) {
	c.t.Helper()
	must[*sdk.TerminateInstancesOutput](c.t)(c.TerminateInstances(c.t.Context(), &sdk.TerminateInstancesInput{InstanceIds: []string{id}}))
	c.wait(id, "terminated")
}

func (c *cloud) empty() {
	c.t.Helper()
	if left := c.server.Inventory(); len(left) > 0 {
		c.t.Errorf("left behind:\n%s", strings.Join(left, "\n"))
	}
}

// A build's whole life: key, group, instance, image, and all of it gone.
func TestBuild(t *testing.T) {
	t.Parallel()
	c, ctx := newCloud(t), t.Context()
	key := must[*sdk.CreateKeyPairOutput](t)(c.CreateKeyPair(ctx, &sdk.CreateKeyPairInput{KeyName: aws.String("k"), KeyType: "ed25519"}))
	if !strings.Contains(*key.KeyMaterial, "OPENSSH PRIVATE KEY") {
		t.Error("no private key:", *key.KeyMaterial)
	}
	sg := must[*sdk.CreateSecurityGroupOutput](t)(c.CreateSecurityGroup(ctx, &sdk.CreateSecurityGroupInput{
		GroupName: aws.String("g"), Description: aws.String("d"),
		TagSpecifications: []types.TagSpecification{{ResourceType: "security-group", Tags: []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}}},
	}))
	must[*sdk.AuthorizeSecurityGroupIngressOutput](t)(c.AuthorizeSecurityGroupIngress(ctx, &sdk.AuthorizeSecurityGroupIngressInput{
		GroupId: sg.GroupId,
		IpPermissions: []types.IpPermission{{
			IpProtocol: aws.String("tcp"), FromPort: aws.Int32(22), ToPort: aws.Int32(22), IpRanges: []types.IpRange{{CidrIp: aws.String("0.0.0.0/0")}},
		}},
	}))
	i := c.run(func(in *sdk.RunInstancesInput) {
		in.KeyName, in.SecurityGroupIds = aws.String("k"), []string{*sg.GroupId}
		in.TagSpecifications = []types.TagSpecification{
			{ResourceType: "instance", Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("builder")}}},
			{ResourceType: "volume", Tags: []types.Tag{{Key: aws.String("Name"), Value: aws.String("disk")}}},
		}
	})
	m := c.host.machine(*i.InstanceId)
	if got := m.spec.OpenPorts(); len(got) != 1 || got[0] != 22 {
		t.Error("open ports:", got)
	}
	if len(m.spec.Users) != 4 || !strings.HasPrefix(m.spec.Users[0].Keys[0], "ssh-ed25519 ") {
		t.Errorf("users: %+v", m.spec.Users)
	}
	if *i.PublicIpAddress == *i.PrivateIpAddress || !strings.HasPrefix(*i.PublicIpAddress, "127.") {
		t.Error("addresses:", *i.PublicIpAddress, *i.PrivateIpAddress)
	}
	if _, err := c.DeleteSecurityGroup(ctx, &sdk.DeleteSecurityGroupInput{GroupId: sg.GroupId}); code(err) != "DependencyViolation" {
		t.Error("deleted a group in use:", err)
	}
	ami := must[*sdk.CreateImageOutput](t)(c.CreateImage(ctx, &sdk.CreateImageInput{InstanceId: i.InstanceId, Name: aws.String("web")}))
	image := c.available(c.Client, *ami.ImageId)
	if image.BlockDeviceMappings[0].Ebs.SnapshotId == nil {
		t.Error("no snapshot")
	}
	c.terminate(*i.InstanceId)
	must[*sdk.DeleteSecurityGroupOutput](t)(c.DeleteSecurityGroup(ctx, &sdk.DeleteSecurityGroupInput{GroupId: sg.GroupId}))
	must[*sdk.DeleteKeyPairOutput](t)(c.DeleteKeyPair(ctx, &sdk.DeleteKeyPairInput{KeyName: aws.String("k")}))

	again := c.run(func(in *sdk.RunInstancesInput) { in.ImageId = ami.ImageId })
	if got := c.host.machine(*again.InstanceId).spec.Layers; len(got) != 2 || got[1] != "layer-1" {
		t.Error("the image's layers:", got)
	}
	must[*sdk.DeregisterImageOutput](t)(c.DeregisterImage(ctx, &sdk.DeregisterImageInput{ImageId: ami.ImageId, DeleteAssociatedSnapshots: aws.Bool(true)}))
	if c.host.isRemoved("layer-1") {
		t.Error("removed a layer in use")
	}
	c.terminate(*again.InstanceId)
	wait, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := c.host.until(wait, func() bool { return c.host.isRemoved("layer-1") }); err != nil {
		t.Error("the layer stays:", err)
	}
	c.empty()
}
