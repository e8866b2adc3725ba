package amazon

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// The instance may go when each of its own volumes has a snapshot, and not
// before.
func TestUnderWay(t *testing.T) {
	t.Parallel()
	volume := func(device, snapshot string) types.BlockDeviceMapping {
		m := types.BlockDeviceMapping{DeviceName: &device, Ebs: &types.EbsBlockDevice{VolumeSize: aws.Int32(8)}}
		if snapshot != "" {
			m.Ebs.SnapshotId = &snapshot
		}
		return m
	}
	from := types.Instance{RootDeviceName: aws.String("/dev/xvda"), BlockDeviceMappings: []types.InstanceBlockDeviceMapping{
		{DeviceName: aws.String("/dev/xvda")}, {DeviceName: aws.String("/dev/xvdf")},
	}}
	for name, c := range map[string]struct {
		image []types.BlockDeviceMapping
		want  bool
	}{
		"nothing yet":          {nil, false},
		"described only":       {[]types.BlockDeviceMapping{volume("/dev/xvda", ""), volume("/dev/xvdf", "")}, false},
		"one of two":           {[]types.BlockDeviceMapping{volume("/dev/xvda", "snap-1"), volume("/dev/xvdf", "")}, false},
		"not the root":         {[]types.BlockDeviceMapping{volume("/dev/xvdf", "snap-2")}, false},
		"both":                 {[]types.BlockDeviceMapping{volume("/dev/xvda", "snap-1"), volume("/dev/xvdf", "snap-2")}, true},
		"one left out":         {[]types.BlockDeviceMapping{volume("/dev/xvda", "snap-1")}, true},
		"and an empty new one": {[]types.BlockDeviceMapping{volume("/dev/xvda", "snap-1"), volume("/dev/xvdg", "")}, true},
		"and an ephemeral one": {[]types.BlockDeviceMapping{volume("/dev/xvda", "snap-1"), {DeviceName: aws.String("/dev/sdb")}}, true},
	} {
		if got := underWay(types.Image{BlockDeviceMappings: c.image}, from); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
