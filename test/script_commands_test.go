package test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// patience is how long scripts wait for what is sure to come.
const patience = time.Minute

// skip ends a script that this machine can't run; the reason is listed at the
// end of the tests.
func skip(ts *testscript.TestScript, why string) {
	ts.Value(testingT{}).(testing.TB).Skip("cannot run here: " + why)
}

// testingT is the key of the script's testing.TB.
type testingT struct{}

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
