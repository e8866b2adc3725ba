package test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ingot-build/ingot/internal/sandbox"
	"github.com/ingot-build/ingot/internal/sshtest"
)

// patience is how long scripts wait for what is sure to come.
const patience = time.Minute

// condition knows [namespaces]: sshd can have a file system of its own; and
// [machines]: a sandbox can run.
func condition(name string) (bool, error) {
	if name == "namespaces" {
		return sshtest.Isolated() == nil, nil
	}
	if name == "machines" {
		return sandbox.Available() == nil, nil
	}
	if name == "terraform" {
		return terraform(), nil
	}
	if name == "pywinrm" { // for the Python that Debian's Ansible runs by
		return exec.Command("/usr/bin/python3", "-c", "import winrm").Run() == nil, nil
	}
	return false, fmt.Errorf("unknown condition %q", name)
}

// await waits until a file exists: `await FILE`.
func await(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: await FILE")
	}
	waitFor(ts, args[0]+" is not there", func() bool {
		_, err := os.Stat(ts.MkAbs(args[0]))
		return err == nil
	})
}

// exits runs a command that is to end with an exit code: `exits CODE COMMAND…`.
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE COMMAND…")
	}
	code := "0"
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		code = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if code != args[0] {
		ts.Fatalf("exit code %s, want %s", code, args[0])
	}
}

// gone waits until no process has a text on its command line: `gone TEXT`.
func gone(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: gone TEXT")
	}
	waitFor(ts, "a process is left: "+args[0], func() bool { return !running(args[0]) })
}

func running(text string) bool {
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, f := range files {
		line, err := os.ReadFile(f)
		if err == nil && strings.Contains(string(bytes.ReplaceAll(line, []byte{0}, []byte{' '})), text) {
			return true
		}
	}
	return false
}

func waitFor(ts *testscript.TestScript, failure string, done func() bool) {
	for end := time.Now().Add(patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			ts.Fatalf("%s after %s", failure, patience)
		}
	}
}

// jsonLines checks that each line of standard output is a JSON object with a
// time, and that the given types are among them: `jsonlines TYPE…`.
func jsonLines(ts *testscript.TestScript, neg bool, args []string) {
	seen := map[string]bool{}
	for line := range strings.Lines(ts.ReadFile("stdout")) {
		var o struct {
			Time time.Time
			Type string
		}
		if err := json.Unmarshal([]byte(line), &o); err != nil || o.Time.IsZero() || o.Type == "" {
			ts.Fatalf("not an event: %s (%v)", line, err)
		}
		seen[o.Type] = true
	}
	for _, name := range args {
		if seen[name] == neg {
			ts.Fatalf("event %s: seen is %t", name, seen[name])
		}
	}
}
