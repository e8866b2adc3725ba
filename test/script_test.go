package test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ingot-build/ingot/builders/container/buildkitd"
	"github.com/ingot-build/ingot/internal/sshtest"
)

var (
	ingotBin string // the real binary that the scripts run
	cacheDir string // its cache, with base images and the BuildKit daemon, which scripts share
)

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

// waitTogether runs twice as many scripts at a time as there are processors,
// where -parallel does not say another number: most of the time they wait for
// machines.
func waitTogether() error {
	flag.Parse()
	f := flag.Lookup("test.parallel")
	if f.Value.String() != strconv.Itoa(runtime.GOMAXPROCS(0)) {
		return nil
	}
	return f.Value.Set(strconv.Itoa(2 * runtime.GOMAXPROCS(0)))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "ingot-test-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	cacheDir = filepath.Join(dir, "cache")
	if err := shareBases(cacheDir, os.Getenv(basesEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer stopDaemon(cacheDir)
	ingotBin = os.Getenv("INGOT_BIN")
	if ingotBin == "" {
		ingotBin = filepath.Join(dir, "bin", "ingot")
		build := exec.Command("go", "build", "-o", filepath.Dir(ingotBin)+"/", "../cmd/ingot", "github.com/moby/buildkit/cmd/buildkitd")
		build.Env = append(os.Environ(), "CGO_ENABLED=0") // ingot also runs in containers
		build.Stderr = os.Stderr
		if err := build.Run(); err != nil {
			return 1
		}
	}
	if err := waitTogether(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// basesEnv names a folder that bases are kept in between test runs.
const basesEnv = "INGOT_TEST_BASES"

// shareBases makes a cache whose base images are those of another folder,
// unless that is "".
func shareBases(cache, bases string) error {
	if err := os.MkdirAll(cache, 0o755); err != nil || bases == "" {
		return err
	}
	return os.Symlink(bases, filepath.Join(cache, "bases"))
}

// stopDaemon stops the BuildKit daemon of a cache, if one runs.
func stopDaemon(cache string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := buildkitd.Stop(ctx, filepath.Join(cache, "buildkit")); err != nil {
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
		Condition:           condition,
	})
}

func setup(env *testscript.Env) error {
	env.Setenv("PATH", filepath.Dir(ingotBin)+string(os.PathListSeparator)+os.Getenv("PATH"))
	env.Setenv("HOME", env.WorkDir)
	env.Setenv("INGOT_CACHE_DIR", cacheDir)
	templates, err := filepath.Abs("../templates")
	env.Setenv("TEMPLATES", templates)
	env.Setenv("TERRAFORM_INIT", strings.Join(initTerraform(), " "))
	return err
}

// commands are what scripts can do beside testscript's own.
var commands = map[string]func(ts *testscript.TestScript, neg bool, args []string){
	"sshd":      startSSHD,
	"registry":  registryCommand,
	"cache":     ownCache,
	"image":     unpackImage,
	"pull":      pullImage,
	"absent":    absent,
	"await":     await,
	"exits":     exits,
	"gone":      gone,
	"jsonlines": jsonLines,
	"inventory": inventory,
	"sandbox":   ownSandbox,
	"calls":     calls,
	"requests":  requests,
	"mounted":   mounted,
	"listens":   listens,
	"winrm":     startWinRM,
	"nowhere":   nowhere,
}

// startSSHD starts an OpenSSH server for the script, `sshd [SIZE|password=WORD]`, and sets
// $SSH_PORT, $SSH_USER, $SSH_KEY, $SSH_HOST_KEY and the variables of the
// template's names for them. With SIZE it has a file system of that size at
// /mnt; with a password the user guest logs in by that.
func startSSHD(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 1 {
		ts.Fatalf("usage: sshd [SIZE|password=WORD]")
	}
	var o sshtest.Options
	if len(args) == 1 {
		if word, ok := strings.CutPrefix(args[0], "password="); ok {
			o.User, o.Password = "guest", word
		} else {
			o.Tmpfs = args[0]
		}
	}
	s, err := sshtest.Start(o)
	ts.Check(err)
	ts.Defer(func() { s.Close() })
	for name, value := range map[string]string{
		"port": strconv.Itoa(s.Port), "user": s.User, "key": s.KeyFile, "host_key": s.HostKey,
	} {
		ts.Setenv("SSH_"+strings.ToUpper(name), value)
		ts.Setenv("PKR_VAR_ssh_"+name, value)
	}
}
