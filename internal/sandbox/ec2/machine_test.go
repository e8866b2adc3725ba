//go:build linux

package ec2

import (
	"context"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/ingot-build/ingot/internal/sandbox/first"
	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// basesEnv names a folder that bases are kept in between test runs.
const basesEnv = "INGOT_TEST_BASES"

func TestMain(m *testing.M) {
	if first.IsMachine() {
		os.Exit(first.Run())
	}
	os.Exit(m.Run())
}

// realHost runs machines, with bases that all tests share.
func realHost(t *testing.T) host.Host {
	t.Helper()
	cache := os.Getenv(basesEnv)
	if cache == "" {
		t.Skip("cannot run here: " + basesEnv + " names no folder of bases")
	}
	h, err := host.Open(t.TempDir(), filepath.Join(cache, "sandbox"))
	if err != nil {
		t.Skip("cannot run here: " + err.Error())
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// says waits until the console of an instance has the text.
func (c *cloud) says(id, text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 2*time.Minute)
	defer cancel()
	for {
		out := must[*sdk.GetConsoleOutputOutput](c.t)(c.GetConsoleOutput(ctx, &sdk.GetConsoleOutputInput{InstanceId: &id}))
		console, err := base64.StdEncoding.DecodeString(aws.ToString(out.Output))
		if err != nil {
			c.t.Fatal(err)
		}
		if strings.Contains(string(console), text) {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			c.t.Fatalf("%s does not say %q but:\n%s", id, text, console)
		}
	}
}

func userData(script string) func(*sdk.RunInstancesInput) {
	return func(in *sdk.RunInstancesInput) {
		in.UserData = aws.String(base64.StdEncoding.EncodeToString([]byte("#!/bin/sh\n" + script)))
	}
}

// On a machine: user data and metadata, an image of it, and one of a disk that
// it has filled.
func TestOnMachines(t *testing.T) {
	t.Parallel()
	h := realHost(t)
	c := newCloud(t, func(o *Options) {
		o.Host, o.Log = h, slog.New(slog.NewTextHandler(testLog{t}, nil))
	})
	ctx := t.Context()
	i := c.run(func(in *sdk.RunInstancesInput) {
		in.BlockDeviceMappings = []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvdf"),
			Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(2), VolumeType: "gp3", DeleteOnTermination: aws.Bool(true)}}}
		userData(`echo baked >/etc/baked
echo "id: $(curl -s http://169.254.169.254/latest/meta-data/instance-id)."
mkfs.ext4 -q /dev/xvdf && mount /dev/xvdf /mnt && tar -C / --one-file-system -c . | tar -C /mnt -x && echo disk >/mnt/etc/baked && umount /mnt && echo all done
`)(in)
	})
	id := *i.InstanceId
	c.says(id, "id: "+id+".")
	c.says(id, "all done")
	must[*sdk.StopInstancesOutput](t)(c.StopInstances(ctx, &sdk.StopInstancesInput{InstanceIds: []string{id}}))
	c.wait(id, "stopped")
	made := must[*sdk.CreateImageOutput](t)(c.CreateImage(ctx, &sdk.CreateImageInput{InstanceId: &id, Name: aws.String("root")}))
	c.available(c.Client, *made.ImageId)
	var disk *string
	for _, d := range i.BlockDeviceMappings {
		if *d.DeviceName == "/dev/xvdf" {
			disk = d.Ebs.VolumeId
		}
	}
	snap := must[*sdk.CreateSnapshotOutput](t)(c.CreateSnapshot(ctx, &sdk.CreateSnapshotInput{VolumeId: disk}))
	for {
		out := must[*sdk.DescribeSnapshotsOutput](t)(c.DescribeSnapshots(ctx, &sdk.DescribeSnapshotsInput{SnapshotIds: []string{*snap.SnapshotId}}))
		if out.Snapshots[0].State == types.SnapshotStateCompleted {
			break
		}
		again(t)
	}
	registered := must[*sdk.RegisterImageOutput](t)(c.RegisterImage(ctx, &sdk.RegisterImageInput{
		Name: aws.String("disk"), RootDeviceName: aws.String("/dev/xvda"), Architecture: types.ArchitectureValues(hostArch()), VirtualizationType: aws.String("hvm"),
		BlockDeviceMappings: []types.BlockDeviceMapping{{DeviceName: aws.String("/dev/xvda"), Ebs: &types.EbsBlockDevice{SnapshotId: snap.SnapshotId, DeleteOnTermination: aws.Bool(true)}}},
	}))
	ids := []string{id}
	for image, want := range map[string]string{*made.ImageId: "it has baked.", *registered.ImageId: "it has disk."} {
		again := c.run(userData(`echo "it has $(cat /etc/baked)."`), func(in *sdk.RunInstancesInput) { in.ImageId = &image })
		c.says(*again.InstanceId, want)
		ids = append(ids, *again.InstanceId)
	}
	for _, id := range ids {
		c.terminate(id)
	}
	for _, image := range []*string{made.ImageId, registered.ImageId} {
		must[*sdk.DeregisterImageOutput](t)(c.DeregisterImage(ctx, &sdk.DeregisterImageInput{ImageId: image, DeleteAssociatedSnapshots: aws.Bool(true)}))
	}
	c.empty()
}

type testLog struct{ t *testing.T }

func (l testLog) Write(p []byte) (int, error) {
	l.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}
