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
	var no refusals
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
			no.program(args)
			return rc, no.err()
		case isDetached(arg), name == "--detach", name == "--interactive", name == "--tty", name == "--rm":
		case name == "--name", name == "--hostname", name == "-h":
			next()
		case name == "-u", name == "--user":
			rc.user = next()
		case name == "--entrypoint":
			if p := next(); p != "" {
				no.program([]string{p})
			}
		case name == "--privileged":
			no.add(arg, "set privileged = true instead")
		case name == "-v", name == "--volume", name == "--mount":
			next()
			no.add(arg, "BuildKit mounts no folders of the host into steps; upload what the steps need with the file provisioner")
		case name == "-e", name == "--env":
			next()
			no.add(arg, `variables of steps are in their environment_vars, and those of the image in changes, as "ENV LANG=C.UTF-8"`)
		default: // what follows may be its value
			no.add(arg, "")
			return rc, no.err()
		}
	}
	if err := no.err(); err != nil {
		return rc, err
	}
	return rc, component.Errorf("run_command", "it does not name the image as {{.Image}}")
}

// isDetached matches -d, -i and -t, alone or together.
func isDetached(arg string) bool {
	return len(arg) > 1 && arg[0] == '-' && strings.Trim(arg[1:], "dit") == ""
}

// refusals are the arguments that have no meaning here, with what to do instead.
type refusals struct{ args, advice []string }

func (r *refusals) add(arg, advice string) {
	if slices.Contains(r.args, arg) {
		return
	}
	r.args = append(r.args, arg)
	if advice != "" && !slices.Contains(r.advice, advice) {
		r.advice = append(r.advice, advice)
	}
}

// program refuses what does not only keep a container running.
func (r *refusals) program(argv []string) {
	if len(argv) > 0 && !slices.Contains(keepers, path.Base(argv[0])) {
		r.add(argv[0], "no program runs beside the steps here; start it in the step that needs it")
	}
}

func (r *refusals) err() error {
	if len(r.args) == 0 {
		return nil
	}
	are := " is"
	if len(r.args) > 1 {
		are = " are"
	}
	return &component.OptionError{Option: "run_command", Advice: strings.Join(r.advice, "; "),
		Message: strings.Join(r.args, ", ") + are + " not supported: steps are run by BuildKit, not in a container that is kept running"}
}
