package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strconv"
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

// calls counts what the sandbox of the script was asked, `calls PATTERN MOST
// [LEAST]` with LEAST the same as MOST where it is left out; `calls reset`
// forgets what was asked before.
func calls(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 || len(args) > 3 {
		ts.Fatalf("usage: calls reset|PATTERN MOST [LEAST]")
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, err := (&sandbox.Daemon{Dir: ts.Getenv("SANDBOX")}).Find(ctx)
	ts.Check(err)
	if args[0] == "reset" {
		ts.Check(c.SetFaults(ctx, sandbox.Wrong{}))
		return
	}
	all, err := c.Calls(ctx)
	ts.Check(err)
	most, err := strconv.Atoi(args[1])
	ts.Check(err)
	least, err := strconv.Atoi(args[len(args)-1])
	ts.Check(err)
	n := 0
	for _, call := range all {
		if ok, _ := path.Match(args[0], call); ok {
			n++
		}
	}
	if n > most || n < least {
		ts.Fatalf("%d calls of %s: %q", n, args[0], all)
	}
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

// terraformEnv names a folder of Terraform's plugins, for machines that can't
// reach its registry.
const terraformEnv = "INGOT_TEST_TERRAFORM_PLUGINS"

// initTerraform are the arguments of Terraform's init.
func initTerraform() []string {
	args := []string{"init", "-input=false"}
	if dir := os.Getenv(terraformEnv); dir != "" {
		args = append(args, "-plugin-dir="+dir)
	}
	return args
}

// terraform reports whether Terraform is installed and gets its provider of EC2.
func terraform() bool {
	dir, err := os.MkdirTemp("", "ingot-terraform-")
	if err != nil {
		return false
	}
	defer os.RemoveAll(dir)
	const needs = "terraform {\n required_providers {\n aws = { source = \"hashicorp/aws\" }\n }\n}\n"
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), []byte(needs), 0o600); err != nil {
		return false
	}
	cmd := exec.Command("terraform", initTerraform()...)
	cmd.Dir = dir
	return cmd.Run() == nil
}
