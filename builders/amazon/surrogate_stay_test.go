package amazon

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/key"
)

// begun is a session of a source, with its builder.
func (l *lab) begun(c builders.Config) (builders.Builder, builders.Base, builders.Session) {
	l.t.Helper()
	b, err := c.Open(l.Host)
	if err != nil {
		l.t.Fatal(err)
	}
	base, err := b.Resolve(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	s, err := b.Begin(l.t.Context(), base, l.env)
	if err != nil {
		l.t.Fatal(err)
	}
	return b, base, s
}

// volumes are those of the instance that runs, by device.
func (l *lab) volumes() map[string]types.Volume {
	l.t.Helper()
	out, err := l.region(home).EC2.DescribeVolumes(l.t.Context(), &ec2.DescribeVolumesInput{})
	if err != nil {
		l.t.Fatal(err)
	}
	by := map[string]types.Volume{}
	for _, v := range out.Volumes {
		for _, a := range v.Attachments {
			by[aws.ToString(a.Device)] = v
		}
	}
	return by
}

// A session that begins from a checkpoint has all its volumes from there, also
// those that are not in the image, and encrypted as they were.
func TestSurrogateCheckpoint(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	c := surrogateConfig()
	yes := true
	c.LaunchBlockDevices[1].Encrypted = &yes
	b, base, s := l.begun(c)
	m, err := s.(builders.Checkpointer).Mark(t.Context(), builders.Checkpoint{
		Key: key.New("test/1").Sum(), Step: 1, Name: "one", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	a, err := m.Image(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	from := map[string]string{}
	for _, d := range l.described(home, a.Places[0].ID).BlockDeviceMappings {
		from[aws.ToString(d.DeviceName)] = aws.ToString(d.Ebs.SnapshotId)
	}

	base, err = b.(builders.Booter).BaseOf(a, base)
	if err != nil {
		t.Fatal(err)
	}
	s, err = b.Begin(t.Context(), base, l.env)
	if err != nil {
		t.Fatal(err)
	}
	volumes := l.volumes()
	for _, device := range []string{"/dev/xvda", "/dev/xvdf", "/dev/xvdg", "/dev/xvdh"} {
		if v := volumes[device]; from[device] == "" || aws.ToString(v.SnapshotId) != from[device] {
			t.Errorf("%s is made of %q, want %q of %v", device, aws.ToString(v.SnapshotId), from[device], from)
		}
	}
	if !aws.ToBool(volumes["/dev/xvdg"].Encrypted) || aws.ToBool(volumes["/dev/xvdf"].Encrypted) {
		t.Errorf("encrypted: xvdg %t, xvdf %t", aws.ToBool(volumes["/dev/xvdg"].Encrypted), aws.ToBool(volumes["/dev/xvdf"].Encrypted))
	}
	made, err := s.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n := len(l.described(home, made.Places[0].ID).BlockDeviceMappings); n != 2 {
		t.Errorf("the image has %d volumes, want 2", n)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// What is held is gone on with: the same instance, sealed.
func TestSurrogateHeld(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	b, base, s := l.begun(surrogateConfig())
	id := s.Vars()["build.ID"].Reveal()
	held, err := s.(builders.Holder).Hold(t.Context(), time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	s, err = b.(builders.Resumer).Resume(t.Context(), base, held, l.env)
	if err != nil {
		t.Fatal(err)
	}
	if got := s.Vars()["build.ID"].Reveal(); got != id {
		t.Errorf("resumed %s, want %s", got, id)
	}
	a, err := s.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	snapshots, err := l.region(home).listSnapshots(t.Context(), nil)
	if err != nil || len(snapshots) != 2 {
		t.Fatalf("%d snapshots, want 2: %v", len(snapshots), err)
	}
	l.nothingElse(a.Places[0].ID, aws.ToString(snapshots[0].SnapshotId), aws.ToString(snapshots[1].SnapshotId))
}
