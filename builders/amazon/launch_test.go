package amazon

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

// said keeps what a build says.
type said struct {
	mu    sync.Mutex
	lines []string
}

func (s *said) Emit(e event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch b := e.Body.(type) {
	case event.Say:
		s.lines = append(s.lines, b.Text)
	case event.Warning:
		s.lines = append(s.lines, "warning: "+b.Text)
	}
}

func (s *said) has(text string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Contains(strings.Join(s.lines, "\n"), text)
}

// bake makes an image without logging in: machines of this cloud are hollow.
// look is called while the instance runs.
func (l *lab) bake(c *Config, said *said, look func(id string)) (artifact.Artifact, error) {
	l.t.Helper()
	c.Communicator = "none"
	b, err := c.Open(l.Host)
	if err != nil {
		return artifact.Artifact{}, err
	}
	ctx, cancel := context.WithTimeout(l.t.Context(), time.Minute)
	defer cancel()
	base, err := b.Resolve(ctx)
	if err != nil {
		return artifact.Artifact{}, err
	}
	env := l.env
	env.Log = event.Log{Sink: said}
	s, err := b.Begin(ctx, base, env)
	if err != nil {
		return artifact.Artifact{}, err
	}
	if look != nil {
		look(s.Vars()["build.ID"].Reveal())
	}
	a, err := s.Seal(ctx)
	return a, errors.Join(err, s.Close(ctx))
}

// seen returns an instance of the cloud.
func (l *lab) seen(id string) types.Instance {
	l.t.Helper()
	out, err := l.region(home).EC2.DescribeInstances(l.t.Context(), &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	if err != nil {
		l.t.Fatal(err)
	}
	return out.Reservations[0].Instances[0]
}

// baked returns an image of the cloud.
func (l *lab) baked(id string) types.Image {
	l.t.Helper()
	img, err := l.region(home).imageByID(l.t.Context(), id)
	if err != nil {
		l.t.Fatal(err)
	}
	return img
}

// checkLeft compares what is there and what the journal has with the images
// that are to be there.
func (l *lab) checkLeft(images int) {
	l.t.Helper()
	n := 0
	for _, line := range l.Server.Inventory() {
		switch {
		case strings.Contains(line, " image "):
			n++
		case !strings.Contains(line, " snapshot "):
			l.t.Errorf("left behind: %s", line)
		}
	}
	if n != images {
		l.t.Errorf("%d images, want %d: %q", n, images, l.Server.Inventory())
	}
	for _, r := range l.env.Journal.Left() {
		if r.Kind != kindImage {
			l.t.Errorf("left in the journal: %+v", r)
		}
	}
}

// TestNameInUse refuses a name that an image has, before anything is launched,
// unless it is to be replaced.
func TestNameInUse(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	first, err := l.bake(plainConfig(), &said{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = l.bake(plainConfig(), &said{}, nil)
	if err == nil || !strings.Contains(err.Error(), `the name "web-1" is in use in us-east-1, by `+first.Places[0].ID) || !strings.Contains(builders.Hint(err), "force_deregister") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
	if n := l.Count("ec2.RunInstances"); n != 1 {
		t.Errorf("%d launches", n)
	}
	c := plainConfig()
	c.ForceDeregister, c.ForceDeleteSnapshot = true, true
	second, err := l.bake(c, &said{}, nil)
	if err != nil || second.ID == first.ID {
		t.Fatalf("%+v, %v", second, err)
	}
	l.checkLeft(1)
	if n := strings.Count(strings.Join(l.Server.Inventory(), "\n"), " snapshot "); n != 1 {
		t.Errorf("%d snapshots, want 1: %q", n, l.Server.Inventory())
	}
}

// TestFaults are what goes wrong on the way and stops no build: each request is
// tried again, and what it made the first time is found.
func TestFaults(t *testing.T) {
	t.Parallel()
	rules := map[string]fault.Rule{
		"throttled": {Call: "ec2.*", Do: fault.Error, Rate: 0.2, Times: 10},
		"dropped":   {Call: "ec2.*", Do: fault.Drop, Rate: 0.2, Times: 10},
		"5xx":       {Call: "*", Do: fault.Error, Code: "InternalError", Status: 500, Rate: 0.2, Times: 10},
	}
	for _, call := range []string{"ImportKeyPair", "CreateSecurityGroup", "AuthorizeSecurityGroupIngress", "RunInstances", "CreateImage", "TerminateInstances", "DeleteSecurityGroup"} {
		rules["answer lost "+call] = fault.Rule{Call: "ec2." + call, Do: fault.DropAfter, Nth: 1}
	}
	for name, rule := range rules {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, rule)
			if _, err := l.bake(plainConfig(), &said{}, nil); err != nil {
				t.Fatalf("%v, hint %q", err, builders.Hint(err))
			}
			l.checkLeft(1)
		})
	}
}

// TestNextZone launches in another zone where one has no capacity.
func TestNextZone(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Faults.SetAccount(fault.Account{NoCapacity: []string{"t3.micro@us-east-1a", "t3.micro@us-east-1b"}})
	var s said
	_, err := l.bake(plainConfig(), &s, func(id string) {
		if zone := aws.ToString(l.seen(id).Placement.AvailabilityZone); zone == "us-east-1a" || zone == "us-east-1b" {
			t.Errorf("launched in %s", zone)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !s.has("No capacity in us-east-1a") {
		t.Errorf("said %q", s.lines)
	}
	l.checkLeft(1)
}

// TestSpot launches a spot instance of any of several types.
func TestSpot(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.Faults.SetAccount(fault.Account{NoCapacity: []string{"t3.micro"}})
	c := plainConfig()
	c.InstanceType, c.SpotInstanceTypes, c.SpotPrice = "", []string{"t3.micro", "t3.small"}, "0.05"
	c.FleetTags, c.SpotTags = map[string]string{"a": "b"}, map[string]string{"c": "d"}
	_, err := l.bake(c, &said{}, func(id string) {
		i := l.seen(id)
		if i.InstanceType != "t3.small" || i.InstanceLifecycle != types.InstanceLifecycleTypeSpot || tagMap(i.Tags)[tagRun] != "run-1" {
			t.Errorf("%s, %q, %v", i.InstanceType, i.InstanceLifecycle, tagMap(i.Tags))
		}
	})
	if err != nil {
		t.Fatalf("%v, hint %q", err, builders.Hint(err))
	}
	l.checkLeft(1)
	c.SpotInstanceTypes = []string{"t3.micro"}
	c.Name = "web-2"
	_, err = l.bake(c, &said{}, nil)
	if err == nil || !strings.Contains(err.Error(), "launch a spot instance") || !strings.Contains(builders.Hint(err), "spot_instance_types") && !strings.Contains(builders.Hint(err), "instance_type") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
	l.checkLeft(1)
}

// TestInstance launches with all that an instance can have.
func TestInstance(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := plainConfig()
	no := false
	c.AssociatePublicIP, c.AvailabilityZone, c.EBSOptimized = &no, "us-east-1b", true
	c.MetadataOptions = &MetadataOptions{HTTPEndpoint: "disabled"}
	c.RunTags = map[string]string{"From": "\u27e6ingot:build.SourceAMI\u27e7"}
	c.RunVolumeTag = []Tag{{Key: "Disk", Value: "root"}}
	c.TemporaryPolicy = &PolicyDocument{Statement: []Statement{{Effect: "Allow", Action: []string{"s3:GetObject"}, Resource: []string{"*"}}}}
	c.LaunchBlockDevices = []BlockDevice{{DeviceName: "/dev/sdf", VolumeSize: 2, VolumeType: "gp3"}}
	_, err := l.bake(c, &said{}, func(id string) {
		i := l.seen(id)
		tags := tagMap(i.Tags)
		switch {
		case i.PublicIpAddress != nil, aws.ToString(i.Placement.AvailabilityZone) != "us-east-1b", !aws.ToBool(i.EbsOptimized):
			t.Errorf("address %v, zone %v, optimized %v", aws.ToString(i.PublicIpAddress), i.Placement, i.EbsOptimized)
		case i.MetadataOptions == nil || i.MetadataOptions.HttpEndpoint != types.InstanceMetadataEndpointStateDisabled:
			t.Errorf("metadata %+v", i.MetadataOptions)
		case tags["From"] != "ami-0123456789abcdef0", tags["Name"] == "", tags[tagExpires] == "", tags[tagBuild] != "amazon-ebs.web":
			t.Errorf("tags %v", tags)
		case i.IamInstanceProfile == nil, len(i.BlockDeviceMappings) != 2:
			t.Errorf("profile %v, disks %v", i.IamInstanceProfile, i.BlockDeviceMappings)
		}
		v, err := l.region(home).EC2.DescribeVolumes(t.Context(), &ec2.DescribeVolumesInput{Filters: []types.Filter{filter("attachment.instance-id", id)}})
		if err != nil || len(v.Volumes) != 2 || tagMap(v.Volumes[0].Tags)["Disk"] != "root" {
			t.Errorf("volumes %+v, %v", v, err)
		}
	})
	if err != nil {
		t.Fatalf("%v, hint %q", err, builders.Hint(err))
	}
	l.checkLeft(1)
}

// TestImage makes an image with all that an image can have.
func TestImage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := plainConfig()
	yes := true
	c.EncryptBoot, c.Description, c.NoEphemeral = &yes, "from \u27e6ingot:build.SourceAMIName\u27e7", true
	c.Tags, c.RunTags, c.SnapshotTags = map[string]string{"Class": "web"}, map[string]string{"Team": "a"}, map[string]string{"Kind": "disk"}
	c.AMIBlockDevices = []BlockDevice{{DeviceName: "/dev/sdg", VolumeSize: 3, VolumeType: "gp3"}}
	c.LaunchBlockDevices = []BlockDevice{{DeviceName: "/dev/sdf", VolumeSize: 2}, {DeviceName: "/dev/sdh", VolumeSize: 1, DeleteOnTermination: true}, {DeviceName: "/dev/sda1", VolumeSize: 1}}
	var s said
	a, err := l.bake(c, &s, nil)
	if err != nil {
		t.Fatalf("%v, hint %q", err, builders.Hint(err))
	}
	if !s.has("warning: launch_block_device_mappings has /dev/sda1") {
		t.Errorf("no warning of a device that is not the root: %q", s.lines)
	}
	img := l.baked(a.Places[0].ID)
	tags := tagMap(img.Tags)
	if tags["Class"] != "web" || tags["Team"] != "a" || tags["Kind"] != "" || tags[tagRun] != "run-1" || tags[tagExpires] == "" {
		t.Errorf("tags %v", tags)
	}
	if d := aws.ToString(img.Description); !strings.HasPrefix(d, "from sandbox/") {
		t.Errorf("description %q", d)
	}
	remove := map[string]bool{"/dev/sdf": false, "/dev/sdg": false, "/dev/sdh": true}
	for _, m := range img.BlockDeviceMappings {
		name := aws.ToString(m.DeviceName)
		want, ours := remove[name]
		delete(remove, name)
		if m.Ebs == nil || !aws.ToBool(m.Ebs.Encrypted) || ours && aws.ToBool(m.Ebs.DeleteOnTermination) != want {
			t.Errorf("%s: %+v", name, m.Ebs)
		}
		if m.Ebs == nil || m.Ebs.SnapshotId == nil {
			continue
		}
		s, err := l.region(home).EC2.DescribeSnapshots(t.Context(), &ec2.DescribeSnapshotsInput{SnapshotIds: []string{*m.Ebs.SnapshotId}})
		if err != nil || tagMap(s.Snapshots[0].Tags)["Kind"] != "disk" {
			t.Errorf("%s: snapshot %+v, %v", name, s, err)
		}
	}
	if len(remove) > 0 {
		t.Errorf("not in the image: %v", remove)
	}
	if got := a.Labels["source_ami"]; got != "ami-0123456789abcdef0" || a.Arch != "amd64" {
		t.Errorf("artifact %+v", a)
	}
	l.checkLeft(1)
}

// TestStopped stops the instance for what can be changed only then.
func TestStopped(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := plainConfig()
	c.SriovSupport = true
	a, err := l.bake(c, &said{}, nil)
	if err != nil {
		t.Fatalf("%v, hint %q", err, builders.Hint(err))
	}
	if got := aws.ToString(l.baked(a.Places[0].ID).SriovNetSupport); got != "simple" || l.Count("ec2.StopInstances") != 1 {
		t.Errorf("sriov %q, %d stops", got, l.Count("ec2.StopInstances"))
	}
	l.checkLeft(1)
}

// TestNoImage makes none.
func TestNoImage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := plainConfig()
	c.SkipCreateAMI = true
	a, err := l.bake(c, &said{}, nil)
	if err != nil || len(a.Places) != 0 || !strings.Contains(a.Text, "skip_create_ami") {
		t.Errorf("%+v, %v", a, err)
	}
	l.checkLeft(0)
}

// TestEndsMeanwhile says why an instance went away while it was waited for.
func TestEndsMeanwhile(t *testing.T) {
	t.Parallel()
	why := &types.StateReason{Code: aws.String("Client.VolumeLimitExceeded"), Message: aws.String("Volume limit exceeded")}
	err := endedError(types.Instance{InstanceId: aws.String("i-1"), State: &types.InstanceState{Name: "terminated"}, StateReason: why})
	if err.Error() != "the instance i-1 is terminated: Volume limit exceeded" || !strings.Contains(builders.Hint(err), "quota") {
		t.Errorf("%v, hint %q", err, builders.Hint(err))
	}
}

// TestTogether makes fifty images at once: what they look up is looked up once,
// and they wait together.
func TestTogether(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.env.Journal = journal.Open(t.TempDir(), "run-1")
	var all sync.WaitGroup
	for n := range 50 {
		all.Go(func() {
			if _, err := l.bake(config2("web-"+string(rune('a'+n/26))+string(rune('a'+n%26))), &said{}, nil); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	l.checkLeft(50)
	for call, most := range map[string]int{"ec2.DescribeSubnets": 1, "ec2.DescribeInstanceTypeOfferings": 1, "sts.GetCallerIdentity": 1,
		"ec2.DescribeImages": 40, "ec2.DescribeInstances": 40} {
		if n := l.Count(call); n > most {
			t.Errorf("%d times %s, want at most %d", n, call, most)
		}
	}
}

// publicImage is an image to start from.
func (l *lab) publicImage() types.Image {
	l.t.Helper()
	return l.baked("ami-0123456789abcdef0")
}
