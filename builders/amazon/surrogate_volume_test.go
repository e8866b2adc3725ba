package amazon_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
)

func surrogate(name string) *amazon.SurrogateConfig {
	c := amazon.DefinitionSurrogate().New().(*amazon.SurrogateConfig)
	c.SourceAMI, c.InstanceType, c.Username, c.Name, c.Region = baseImage, "t3.micro", "admin", name, "eu-west-1"
	c.LaunchBlockDevices = []amazon.SurrogateDevice{{BlockDevice: amazon.BlockDevice{DeviceName: "/dev/xvdf", VolumeType: "gp3", VolumeSize: 2}}}
	c.RootDevice = amazon.RootDevice{SourceDeviceName: "/dev/xvdf", DeviceName: "/dev/xvda", DeleteOnTermination: true}
	return c
}

// TestSurrogateVolume checks that an image has what the steps left on the
// volume: another instance finds it on a volume made of the image's snapshot.
func TestSurrogateVolume(t *testing.T) {
	t.Parallel()
	w := start(t, sandboxtest.Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	run := func(c builders.Config, script string) builders.Session {
		t.Helper()
		b := w.open(t, c)
		base, err := b.Resolve(ctx)
		if err != nil {
			t.Fatal(err)
		}
		var said lines
		s, err := b.Begin(ctx, base, builders.Env{RunID: "run-1", Build: "amazon-ebssurrogate.disk", Log: event.Log{Sink: &said}})
		if err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
		t.Cleanup(func() {
			if err := s.Close(context.Background()); err != nil {
				t.Error(err)
			}
		})
		if err := s.Apply(ctx, builders.Step{Ops: []op.Op{&op.Exec{Argv: []string{"sudo", "sh", "-exc", script}}}}); err != nil {
			t.Fatalf("%v\n%s", err, said.String())
		}
		return s
	}
	s := run(surrogate("disk-1"), `mkfs.ext4 -q /dev/xvdf; mount /dev/xvdf /mnt; echo here > /mnt/baked; umount /mnt`)
	a, err := s.Seal(ctx)
	if err != nil {
		t.Fatal(err)
	}
	c := config("again")
	c.LaunchBlockDevices = []amazon.BlockDevice{{DeviceName: "/dev/xvdg", SnapshotID: w.rootSnapshot(t, a)}}
	run(c, `mount -o ro /dev/xvdg /mnt; test "$(cat /mnt/baked)" = here; umount /mnt`)
}

// rootSnapshot is the snapshot of the image's root device.
func (w *world) rootSnapshot(t *testing.T, a artifact.Artifact) string {
	t.Helper()
	access, err := amazon.AccessConfig{Region: a.Places[0].Name}.Open(builders.Host{Sandbox: w.Host(), Shared: &w.shared})
	if err != nil {
		t.Fatal(err)
	}
	r, err := access.Region(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	out, err := r.EC2.DescribeImages(t.Context(), &ec2.DescribeImagesInput{ImageIds: []string{a.Places[0].ID}})
	if err != nil || len(out.Images) != 1 {
		t.Fatal(out, err)
	}
	img := out.Images[0]
	if m := img.BlockDeviceMappings; len(m) != 1 || aws.ToString(m[0].DeviceName) != aws.ToString(img.RootDeviceName) {
		t.Fatalf("devices: %+v", m)
	}
	return aws.ToString(img.BlockDeviceMappings[0].Ebs.SnapshotId)
}
