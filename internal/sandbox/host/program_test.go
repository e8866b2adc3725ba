//go:build linux

package host

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/sandbox/first"
)

// build makes the program for machines in a folder.
func build(t *testing.T, dir string) {
	t.Helper()
	out, err := exec.Command("go", "build", "-o", filepath.Join(dir, first.Name), "github.com/ingot-build/ingot/cmd/ingot-machine").CombinedOutput()
	if err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
}

func TestSmallProgram(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	dir := t.TempDir()
	build(t, dir)
	path := filepath.Join(dir, first.Name)
	p, err := findProgram(dir)
	if err != nil || p.File == nil {
		t.Fatalf("%+v %v", p, err)
	}
	b.program = p
	if err := os.Remove(path); err != nil { // as a later build does
		t.Fatal(err)
	}
	s := b.spec("i-1")
	m := b.start(s)
	b.want(b.run(m, s, "hostname; ps -o comm= -p 1"), "i-1.internal\ninit")
	exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", m.(*machine).cmd.Process.Pid))
	if err != nil || !strings.HasPrefix(exe, path) {
		t.Errorf("its first process is %s %v", exe, err)
	}
}

// A program that is missing, of another version or none at all leaves machines
// to this one.
func TestOtherPrograms(t *testing.T) {
	t.Parallel()
	for name, script := range map[string]string{
		"missing":       "",
		"other version": "#!/bin/sh\necho 0123\n",
		"fails":         "#!/bin/sh\necho " + first.Source() + "; exit 1\n",
		"no program":    "text",
	} {
		dir := t.TempDir()
		if script != "" {
			if err := os.WriteFile(filepath.Join(dir, first.Name), []byte(script), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		p, err := findProgram(dir)
		if err != nil || p.path() != "/proc/self/exe" {
			t.Errorf("%s: %s %v", name, p.path(), err)
		}
	}
}
