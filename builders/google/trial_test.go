package google

import (
	"testing"

	"github.com/ingot-build/ingot/builders"
)

// Machines of tests write to no disk that is there already, and leave none.
func TestTrialDisks(t *testing.T) {
	t.Parallel()
	c := &Config{}
	c.DiskAttachment = []DiskAttachment{
		{SourceVolume: "projects/acme/zones/z/disks/data"},
		{VolumeType: "pd-ssd", VolumeSize: 10, KeepDevice: true, DiskName: "kept"},
	}
	for _, trial := range []bool{false, true} {
		l := &launch{cloud: &cloud{Config: c}, name: "it", env: builders.Env{Trial: trial}}
		disks := l.disks()
		volume, last := 0, disks[len(disks)-1]
		for _, d := range disks {
			if d.Source != "" {
				volume++
			}
		}
		if trial && (volume != 0 || !last.AutoDelete || last.InitializeParams.DiskName == "kept") {
			t.Errorf("a test has %d volumes, and the disk %+v", volume, last)
		}
		if !trial && (volume != 1 || last.AutoDelete || last.InitializeParams.DiskName != "kept") {
			t.Errorf("a build has %d volumes, and the disk %+v", volume, last)
		}
	}
}
