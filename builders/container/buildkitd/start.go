package buildkitd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/background"
)

// Command is the hidden command under which ingot supervises the daemon: its
// arguments go to Supervise.
const Command = "buildkitd-supervise"

// start starts a supervisor of its own session, and waits until the daemon
// answers.
func start(ctx context.Context, dir string) error {
	if _, err := findTools(); err != nil {
		return err
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	return background.Start(ctx, exec.Command(exe, Command, dir), filepath.Join(dir, logName), "buildkitd")
}

// tools are the programs the daemon needs; rootlesskit only where the user is
// not root.
type tools struct{ buildkitd, rootlesskit string }

const setupHint = "run make setup, or install the Debian packages that are missing (runc, and for users who are not root: rootlesskit, uidmap)"

func findTools() (tools, error) {
	var t tools
	var err error
	if t.buildkitd, err = findDaemon(); err != nil {
		return t, err
	}
	need := []string{"runc"}
	if os.Geteuid() != 0 {
		need = append(need, "rootlesskit", "newuidmap", "newgidmap")
	}
	for _, name := range need {
		path, err := lookPath(name)
		if err != nil {
			return t, builders.WithHint(fmt.Errorf("the program %s, which buildkitd needs, is not installed", name), setupHint)
		}
		if name == "rootlesskit" {
			t.rootlesskit = path
		}
	}
	return t, nil
}

// findDaemon looks beside the ingot program, then in $PATH.
func findDaemon() (string, error) {
	if exe, err := os.Executable(); err == nil {
		if exe, err = filepath.EvalSymlinks(exe); err == nil {
			beside := filepath.Join(filepath.Dir(exe), "buildkitd")
			if st, err := os.Stat(beside); err == nil && st.Mode().IsRegular() {
				return beside, nil
			}
		}
	}
	path, err := exec.LookPath("buildkitd")
	if err != nil {
		return "", builders.WithHint(errors.New("buildkitd is neither beside the ingot program nor in $PATH"),
			"run make build, which builds it, or set BUILDKIT_HOST to the address of a BuildKit daemon")
	}
	return path, nil
}

// lookPath also looks where Debian has the programs of administrators.
func lookPath(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath(filepath.Join("/usr/sbin", name))
}
