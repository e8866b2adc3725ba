//go:build linux

package host

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// victimEnv makes the test program a process that has a machine, for
// TestKillLeavesNothing to kill: "dir cache".
const victimEnv = "INGOT_TEST_VICTIM"

func TestVictim(t *testing.T) {
	dir, cache, ok := strings.Cut(os.Getenv(victimEnv), " ")
	if !ok {
		return // it is no test of its own
	}
	b := newBenchIn(t, dir, cache)
	s := b.spec("i-victim")
	s.Disks = []Disk{{Device: "/dev/xvdf", File: filepath.Join(dir, "disk"), Size: 16 << 20}}
	m := b.start(s)
	b.run(m, s, "sudo mkfs.ext4 -q /dev/xvdf && sudo mount /dev/xvdf /mnt; echo alive > here; (setsid sleep 1000 >/dev/null 2>&1 &)")
	fmt.Println("victim is up", m.(*machine).cmd.Process.Pid)
	<-context.Background().Done()
}

func TestKillLeavesNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := t.TempDir()
	victim := exec.Command(os.Args[0], "-test.run=^TestVictim$", "-test.v")
	victim.Env = append(os.Environ(), victimEnv+"="+dir+" "+b.cache)
	out, err := victim.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	pid := 0
	for lines := bufio.NewScanner(out); pid == 0 && lines.Scan(); {
		_, _ = fmt.Sscanf(lines.Text(), "victim is up %d", &pid)
	}
	if pid == 0 {
		t.Fatal("the victim did not come up")
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = victim.Wait()
	for { // the kernel takes a moment
		left := remains(t, dir, pid)
		if left == "" {
			break
		}
		select {
		case <-t.Context().Done():
			t.Fatalf("left: %s", left)
		case <-time.After(5 * time.Millisecond):
		}
	}
	// The disk is there, for the next process. What was half done is not.
	half := filepath.Join(dir, "layers", ".lhalf")
	if err := os.Mkdir(half, 0o755); err != nil {
		t.Fatal(err)
	}
	next := newBenchIn(t, dir, b.cache)
	if _, err := os.Stat(half); err == nil {
		t.Error("half of a layer is left")
	}
	s := next.spec("i-victim")
	b.want(next.run(next.start(s), s, "cat here"), "alive")
}

// remains says what there still is of a machine.
func remains(t *testing.T, dir string, pid int) string {
	t.Helper()
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		return "process"
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		return "mount"
	}
	return attached(t, dir)
}
