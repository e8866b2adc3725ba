package amazon

import (
	"errors"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
)

// surrogateConfig is a source with a volume for the image, one more, and one
// that is left out.
func surrogateConfig() *SurrogateConfig {
	c := DefinitionSurrogate().New().(*SurrogateConfig)
	c.Region, c.SourceAMI, c.InstanceType, c.Communicator = home, "ami-0123456789abcdef0", "t3.micro", "none"
	c.Name = "surrogate-1"
	c.LaunchBlockDevices = []SurrogateDevice{
		{BlockDevice: BlockDevice{DeviceName: "/dev/xvdf", VolumeType: "gp3", VolumeSize: 2}},
		{BlockDevice: BlockDevice{DeviceName: "/dev/xvdg", VolumeType: "gp3", VolumeSize: 1, DeleteOnTermination: true}},
		{BlockDevice: BlockDevice{DeviceName: "/dev/xvdh", VolumeSize: 1}, OmitFromArtifact: true},
	}
	c.RootDevice = RootDevice{SourceDeviceName: "/dev/xvdf", DeviceName: "/dev/xvda", DeleteOnTermination: true, VolumeType: "gp2", VolumeSize: 4}
	return c
}

// build runs a source without steps from launch to the end.
func (l *lab) build(c builders.Config) (artifact.Artifact, error) {
	l.t.Helper()
	b, err := c.Open(l.Host)
	if err != nil {
		return artifact.Artifact{}, err
	}
	base, err := b.Resolve(l.t.Context())
	if err != nil {
		return artifact.Artifact{}, err
	}
	s, err := b.Begin(l.t.Context(), base, l.env)
	if err != nil {
		return artifact.Artifact{}, err
	}
	a, err := s.Seal(l.t.Context())
	if cerr := s.Close(l.t.Context()); cerr != nil {
		l.t.Errorf("close: %v", cerr)
	}
	if err != nil {
		return a, err
	}
	for _, p := range a.Places {
		if err := l.env.Journal.Keep(p.ID); err != nil {
			l.t.Error(err)
		}
	}
	return b.(builders.Distributor).Distribute(l.t.Context(), a, l.env)
}

func TestSurrogate(t *testing.T) {
	t.Parallel()
	l := newLab(t, fault.Rule{Call: "ec2.CreateSnapshot", Do: fault.DropAfter, Nth: 1})
	c := surrogateConfig()
	c.Description, c.SnapshotDescription, c.BootMode, c.TpmSupport = "a disk", "made by hand", "uefi", "v2.0"
	c.UefiData, c.IMDSSupport, c.SriovSupport = "QU1aTlVFRkk=", "v2.0", true
	yes := true
	c.ENASupport = &yes
	c.Tags = map[string]string{"Kind": "web"}
	a, err := l.build(c)
	if err != nil {
		t.Fatal(err)
	}
	img := l.described(home, a.Places[0].ID)
	got := []string{aws.ToString(img.Name), aws.ToString(img.Description), string(img.Architecture), string(img.BootMode), string(img.TpmSupport),
		string(img.ImdsSupport), aws.ToString(img.SriovNetSupport), aws.ToString(img.RootDeviceName), string(img.VirtualizationType), tagMap(img.Tags)["Kind"]}
	want := []string{"surrogate-1", "a disk", "x86_64", "uefi", "v2.0", "v2.0", "simple", "/dev/xvda", "hvm", "web"}
	if !slices.Equal(got, want) || !aws.ToBool(img.EnaSupport) {
		t.Errorf("image: %q, want %q", got, want)
	}
	devices := map[string]types.EbsBlockDevice{}
	for _, m := range img.BlockDeviceMappings {
		devices[aws.ToString(m.DeviceName)] = *m.Ebs
	}
	root, data := devices["/dev/xvda"], devices["/dev/xvdg"]
	if len(devices) != 2 || aws.ToInt32(root.VolumeSize) != 4 || root.VolumeType != types.VolumeTypeGp2 || !aws.ToBool(root.DeleteOnTermination) ||
		!aws.ToBool(data.DeleteOnTermination) || aws.ToInt32(data.VolumeSize) != 1 {
		t.Errorf("devices: %+v", devices)
	}
	snapshots, err := l.region(home).listSnapshots(t.Context(), nil)
	if err != nil || len(snapshots) != 2 {
		t.Fatalf("%d snapshots, want 2: %v", len(snapshots), err)
	}
	for _, s := range snapshots {
		if tags := tagMap(s.Tags); aws.ToString(s.Description) != "made by hand" || tags["Kind"] != "web" || tags[tagExpires] != "" {
			t.Errorf("snapshot: %q %v", aws.ToString(s.Description), tags)
		}
	}
	l.nothingElse(a.Places[0].ID, aws.ToString(snapshots[0].SnapshotId), aws.ToString(snapshots[1].SnapshotId))
	if left := l.env.Journal.Left(); len(left) > 0 {
		t.Errorf("in the journal: %v", left)
	}
}

// nothingElse checks that just these resources exist.
func (l *lab) nothingElse(ids ...string) {
	l.t.Helper()
	for _, line := range l.Server.Inventory() {
		if !slices.ContainsFunc(ids, func(id string) bool { return strings.Contains(line, id) }) && !strings.Contains(line, "terminated") {
			l.t.Errorf("left: %s", line)
		}
	}
}

func TestSurrogateCreateImage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	swap := l.swap()
	c := surrogateConfig()
	c.UseCreateImage = true
	a, err := l.build(c)
	if err != nil {
		t.Fatal(err)
	}
	if got := swap.calls(); len(got) != 3 || got[2] != "AttachVolume /dev/xvda" {
		t.Errorf("swapped by %v", got)
	}
	img := l.described(home, a.Places[0].ID)
	var devices []string
	for _, m := range img.BlockDeviceMappings {
		devices = append(devices, aws.ToString(m.DeviceName))
	}
	slices.Sort(devices)
	// /dev/xvdf is still there, as nothing was moved.
	if aws.ToString(img.RootDeviceName) != "/dev/xvda" || !slices.Equal(devices, []string{"/dev/xvda", "/dev/xvdf", "/dev/xvdg"}) {
		t.Errorf("root %s, devices %v", aws.ToString(img.RootDeviceName), devices)
	}
	l.nothingElse(append(snapshotsOf(img), a.Places[0].ID)...)
}

// swapping is a front of the sandbox that moves volumes, which the sandbox does
// not do with root volumes: it says so of any volume, and moves none.
type swapping struct {
	mu   sync.Mutex
	done []string
}

func (s *swapping) calls() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.done)
}

func (l *lab) swap() *swapping {
	l.t.Helper()
	s := &swapping{}
	l.front(s.answer)
	return s
}

func (s *swapping) answer(form url.Values) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch action := form.Get("Action"); action {
	case "DetachVolume", "AttachVolume":
		s.done = append(s.done, strings.TrimSpace(action+" "+form.Get("Device")))
		return "<status>busy</status>"
	case "DescribeVolumes":
		id := form.Get("VolumeId.1") + form.Get("Filter.1.Value.1")
		if len(s.done) < 3 {
			return "<volumeSet><item><volumeId>" + id + "</volumeId><status>available</status></item></volumeSet>"
		}
		return "<volumeSet><item><volumeId>" + id + "</volumeId><status>in-use</status><attachmentSet><item><status>attached</status></item></attachmentSet></item></volumeSet>"
	}
	return ""
}

// TestSurrogateFails checks that nothing is left when the image can't be made.
func TestSurrogateFails(t *testing.T) {
	t.Parallel()
	for _, call := range []string{"ec2.StopInstances", "ec2.CreateSnapshot", "ec2.RegisterImage", "ec2.DetachVolume", "ec2.CreateImage"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			l := newLab(t, fault.Rule{Call: call, Do: fault.Error, Code: "InvalidRequest", Status: 400, Message: "It can't be done"})
			c := surrogateConfig()
			switch call {
			case "ec2.CreateImage":
				l.swap()
				fallthrough
			case "ec2.DetachVolume":
				c.UseCreateImage = true
			}
			_, err := l.build(c)
			if err == nil || !strings.Contains(err.Error(), "It can't be done") {
				t.Fatalf("error = %v", err)
			}
			l.nothingElse()
			if left := l.env.Journal.Left(); len(left) > 0 {
				t.Errorf("in the journal: %v", left)
			}
		})
	}
}

func TestSurrogateChecks(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*SurrogateConfig){
		"ami_root_device.source_device_name": func(c *SurrogateConfig) { c.RootDevice.SourceDeviceName = "/dev/xvdz" },
		"ami_root_device.device_name":        func(c *SurrogateConfig) { c.RootDevice.DeviceName = "/dev/xvdg" },
		"ami_root_device.volume_size":        func(c *SurrogateConfig) { c.RootDevice.VolumeSize = 1 },
		"ami_architecture":                   func(c *SurrogateConfig) { c.Architecture = "sparc" },
		"boot_mode":                          func(c *SurrogateConfig) { c.BootMode = "floppy" },
		"tpm_support":                        func(c *SurrogateConfig) { c.TpmSupport = "v2.0" },
		"uefi_data":                          func(c *SurrogateConfig) { c.UefiData = "§" },
		"snapshot_description":               func(c *SurrogateConfig) { c.SnapshotDescription = strings.Repeat("x", 256) },
	} {
		c := surrogateConfig()
		change(c)
		var opt *component.OptionError
		if _, err := c.Open(builders.Host{}); !errors.As(err, &opt) || opt.Option != name {
			t.Errorf("%s: error = %v", name, err)
		}
	}
	c := surrogateConfig()
	c.UseCreateImage, c.BootMode = true, "uefi"
	if _, err := c.Open(builders.Host{}); err == nil {
		t.Error("boot_mode with use_create_image is taken")
	}
}

// TestSurrogateOptions checks that each option of the peer is there.
func TestSurrogateOptions(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("testdata/ebssurrogate-options.txt")
	if err != nil {
		t.Fatal(err)
	}
	s := component.SchemaOf(SurrogateConfig{})
	for _, name := range strings.Fields(string(text)) {
		if s.Field(name) == nil {
			t.Errorf("there is no option %s", name)
		}
	}
}
