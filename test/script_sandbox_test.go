package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ingot-build/ingot/internal/sandbox"
)

// ownSandbox gives the script a sandbox of its own from here on: `sandbox`.
// Where it runs, it ends with the script.
func ownSandbox(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 0 {
		ts.Fatalf("usage: sandbox")
	}
	ownCache(ts, false, []string{"sandbox-cache"})
	dir := ts.MkAbs("sandbox-cache/sandbox")
	ts.Setenv("SANDBOX", dir)
	ts.Defer(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		d := sandbox.Daemon{Dir: dir, Bases: filepath.Join(filepath.Dir(dir), "bases", "sandbox")}
		if _, err := d.Remove(ctx); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	})
}

// mounted checks that the name space of some process has a mount in a folder:
// `! mounted FOLDER`.
func mounted(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] mounted FOLDER")
	}
	tables, _ := filepath.Glob("/proc/[0-9]*/mountinfo")
	found := ""
	for _, t := range tables {
		if text, err := os.ReadFile(t); err == nil && strings.Contains(string(text), ts.MkAbs(args[0])) {
			found = t
			break
		}
	}
	if neg != (found == "") {
		ts.Fatalf("mounts of %s in: %q", args[0], found)
	}
}

// listens checks that somebody listens at an address: `[!] listens HOST:PORT`.
func listens(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: [!] listens HOST:PORT")
	}
	conn, err := net.DialTimeout("tcp", args[0], time.Second)
	if err == nil {
		conn.Close()
	}
	if neg == (err == nil) {
		ts.Fatalf("dial %s: %v", args[0], err)
	}
}
