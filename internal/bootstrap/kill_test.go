//go:build linux

package bootstrap

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/event"
)

// victimEnv makes the test program a process that bootstraps in a folder, for
// TestKilledLeavesNoMounts to kill.
const victimEnv = "INGOT_TEST_VICTIM"

func TestVictim(t *testing.T) {
	dir := os.Getenv(victimEnv)
	if dir == "" {
		return // it is no test of its own
	}
	spec, store := tiny(mirror), Store{Dir: dir}
	spec.Variant = "essential" // which is configured: it takes long enough
	base, err := store.Resolve(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Get(t.Context(), base.ID, spec, event.Log{Sink: &sink{}})
	t.Fatalf("it was not killed: %v", err)
}

// Mounts in what mmdebstrap makes are seen by nobody else, and so are gone with
// it, also when ingot was killed.
func TestKilledLeavesNoMounts(t *testing.T) {
	t.Parallel()
	reach(t)
	dir := t.TempDir()
	t.Cleanup(func() { // what a mount of the host shows must not be removed with dir
		if err := detach(dir); err != nil {
			panic(err)
		}
	})
	victim := exec.Command(os.Args[0], "-test.run=^TestVictim$")
	victim.Env = append(os.Environ(), victimEnv+"="+dir, "TMPDIR="+dir)
	if err := victim.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = victim.Wait() }()
	group := 0
	for group == 0 {
		select {
		case <-ended:
			t.Fatal("it ended before it was killed")
		case <-time.After(5 * time.Millisecond):
			group = mounter(t, victim.Process.Pid, dir)
		}
	}
	if mounts(t, "self", dir) {
		t.Error("the host has mounts of mmdebstrap")
	}
	if err := victim.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	for syscall.Kill(-group, syscall.SIGKILL) == nil { // without ingot it ends by itself, but not at once
		time.Sleep(5 * time.Millisecond)
	}
	if mounts(t, "self", dir) {
		t.Error("the host has mounts of mmdebstrap")
	}
}

// mounter returns the child of a process that has mounts below dir, or 0.
func mounter(t *testing.T, pid int, dir string) int {
	t.Helper()
	lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range lists {
		text, _ := os.ReadFile(list) // the thread may be gone
		for _, child := range strings.Fields(string(text)) {
			if mounts(t, child, dir) {
				group, err := strconv.Atoi(child)
				if err != nil {
					t.Fatal(err)
				}
				return group
			}
		}
	}
	return 0
}

// mounts reports whether a process sees mounts below dir.
func mounts(t *testing.T, pid, dir string) bool {
	t.Helper()
	text, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil && pid == "self" {
		t.Fatal(err)
	}
	return strings.Contains(string(text), dir)
}
