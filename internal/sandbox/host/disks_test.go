//go:build linux

package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDisks(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Skipf("cannot run here: %v", err)
	}
	b := newBench(t)
	file := filepath.Join(t.TempDir(), "disk")
	s := b.spec("i-1")
	s.Disks = []Disk{{Device: "/dev/xvdf", File: file, Size: 64 << 20}, {Device: "/dev/nvme1n1", File: file + "2", Size: 1 << 20}}
	m := b.start(s)
	b.want(b.run(m, s, "sudo blockdev --getsize64 /dev/xvdf /dev/nvme1n1"), "67108864\n1048576")
	// Not all kernels read partition tables: the kernel is told of one.
	const part = "sudo addpart /dev/xvdf 1 2048 32768; while ! test -b /dev/xvdf1; do sleep 0.01; done; "
	b.run(m, s, part+"sudo mkfs.ext4 -q /dev/xvdf1 && sudo mount /dev/xvdf1 /mnt && echo on the disk | sudo tee /mnt/f")
	if _, err := b.Freeze(t.Context(), s.ID); err != nil {
		t.Fatal(err)
	}
	stop(t, m)
	m = b.start(s)
	b.want(b.run(m, s, part+"sudo mount /dev/xvdf1 /mnt && cat /mnt/f"), "on the disk")
	b.run(m, s, "sudo umount /mnt; sudo delpart /dev/xvdf 1; while test -b /dev/xvdf1; do sleep 0.01; done")
	m.Kill()
	<-m.Done()
	if left := attached(t, file); left != "" {
		t.Errorf("loop devices are left: %s", left)
	}
}

// attached returns the loop devices of files below a folder.
func attached(t *testing.T, dir string) string {
	t.Helper()
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, f := range files {
		if text, err := os.ReadFile(f); err == nil && strings.HasPrefix(string(text), dir) {
			left = append(left, f)
		}
	}
	return strings.Join(left, " ")
}
