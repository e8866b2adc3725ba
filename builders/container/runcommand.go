package container

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
)

// runCommand is what of Packer's run_command has a meaning here.
type runCommand struct{ user string }

var imagePattern = regexp.MustCompile(`^\{\{-?\s*\.Image\s*-?\}\}$`)

// Programs that only keep a container running, so that there is something to
// execute commands in.
var keepers = []string{"sh", "bash", "ash", "dash", "zsh", "cat", "sleep", "tail"}

// parseRunCommand reads the arguments of docker run.
func parseRunCommand(args []string) (runCommand, error) {
	var rc runCommand
	for len(args) > 0 {
		arg := args[0]
		args = args[1:]
		name, value, joined := strings.Cut(arg, "=")
		next := func() string {
			if !joined && len(args) > 0 {
				value, args = args[0], args[1:]
			}
			return value
		}
		switch {
		case arg == "--":
		case imagePattern.MatchString(arg):
			return rc, checkKeeper(args)
		case isDetached(arg), name == "--detach", name == "--interactive", name == "--tty", name == "--rm":
		case name == "--name", name == "--hostname", name == "-h":
			next()
		case name == "-u", name == "--user":
			rc.user = next()
		case name == "--entrypoint":
			if p := next(); p != "" {
				if err := checkKeeper([]string{p}); err != nil {
					return rc, err
				}
			}
		case name == "--privileged":
			return rc, refuseRun(arg, "set privileged = true instead")
		case name == "-v", name == "--volume", name == "--mount":
			return rc, refuseRun(arg, "BuildKit mounts no folders of the host into steps; upload what the steps need with the file provisioner")
		default:
			return rc, refuseRun(arg, "")
		}
	}
	return rc, component.Errorf("run_command", "it does not name the image as {{.Image}}")
}

// isDetached matches -d, -i and -t, alone or together.
func isDetached(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && strings.Trim(arg[1:], "dit") == ""
}

func checkKeeper(argv []string) error {
	if len(argv) == 0 || slices.Contains(keepers, path.Base(argv[0])) {
		return nil
	}
	return refuseRun(argv[0], "no program runs beside the steps here; start it in the step that needs it")
}

func refuseRun(arg, advice string) error {
	return &component.OptionError{Option: "run_command", Message: arg + " is not supported: steps are run by BuildKit, not in a container that is kept running", Advice: advice}
}
