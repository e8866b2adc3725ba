package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ingot-build/ingot/builders/container/buildkitd"
	"github.com/ingot-build/ingot/internal/registrytest"
	"github.com/ingot-build/ingot/internal/sshtest"
)

var (
	ingotBin string // the real binary that the scripts run
	cacheDir string // its cache, with base images and the BuildKit daemon, which scripts share
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingot-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cacheDir = filepath.Join(dir, "cache")
	defer stopDaemon()
	ingotBin = os.Getenv("INGOT_BIN")
	if ingotBin == "" {
		ingotBin = filepath.Join(dir, "bin", "ingot")
		build := exec.Command("go", "build", "-o", filepath.Dir(ingotBin)+"/", "../cmd/ingot", "github.com/moby/buildkit/cmd/buildkitd")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return 1
		}
	}
	return m.Run()
}

// stopDaemon stops the BuildKit daemon that scripts have started.
func stopDaemon() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := buildkitd.Stop(ctx, filepath.Join(cacheDir, "buildkit")); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

// TestScripts runs the promises to users, one file each.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE") != "",
		Setup:               setup,
		Cmds:                commands,
	})
}

func setup(env *testscript.Env) error {
	env.Setenv("PATH", filepath.Dir(ingotBin)+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("INGOT_CACHE_DIR", cacheDir)
	return nil
}

// commands are what scripts can do beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"sshd":     startSSHD,
	"registry": startRegistry,
}

// startSSHD starts an OpenSSH server for the script, `sshd`, and
// sets $SSH_PORT, $SSH_USER, $SSH_KEY, $SSH_HOST_KEY and the variables of the
// template's names for them.
func startSSHD(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: sshd")
	}
	s, err := sshtest.Start(sshtest.Options{})
	ts.Check(err)
	ts.Defer(func() { s.Close() })
	for name, value := range map[string]string{
		"port": strconv.Itoa(s.Port), "user": s.User, "key": s.KeyFile, "host_key": s.HostKey,
	} {
		ts.Setenv("SSH_"+strings.ToUpper(name), value)
		ts.Setenv("PKR_VAR_ssh_"+name, value)
	}
}

// startRegistry starts an OCI registry, `registry [login]`, and sets $REGISTRY.
func startRegistry(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 || len(args) == 1 && args[0] != "login" {
		ts.Fatalf("usage: registry [login]")
	}
	s, err := registrytest.Start(len(args) == 1)
	ts.Check(err)
	ts.Defer(s.Close)
	ts.Setenv("REGISTRY", s.Addr)
}
