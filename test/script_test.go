package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ingot-build/ingot/internal/sshtest"
)

// ingotBin is the real binary that the scripts run.
var ingotBin string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	ingotBin = os.Getenv("INGOT_BIN")
	if ingotBin == "" {
		dir, err := os.MkdirTemp("", "ingot-bin-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		ingotBin = filepath.Join(dir, "ingot")
		build := exec.Command("go", "build", "-o", dir+"/", "../cmd/ingot", "github.com/moby/buildkit/cmd/buildkitd")
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return 1
		}
	}
	return m.Run()
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
	env.Setenv("INGOT_CACHE_DIR", filepath.Join(env.WorkDir, ".cache"))
	env.Setenv("CHECKPOINT_DISABLE", "1")
	return nil
}

var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"sshd": startSSHD,
}

// startSSHD starts an OpenSSH server for the script: `sshd NAME` sets
// $NAME_PORT, $NAME_USER, $NAME_KEY.
var _ = sshtest.Start
