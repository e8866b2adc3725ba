package test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
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
