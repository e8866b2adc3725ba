package ansible

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/google/shlex"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// arguments reads extra_arguments: what is sensitive in them goes to files and
// to the environment, what files they name counts in the key.
func (p *play) arguments() error {
	list := p.config.ExtraArguments
	for i := 0; i < len(list); i++ {
		name, value, joined := option(list[i])
		if !joined && takesValue(name) && i+1 < len(list) {
			i++
			value = list[i]
		}
		if err := p.argument(list[i], name, value, joined || takesValue(name)); err != nil {
			return err
		}
	}
	return nil
}

// option splits "--name=value", "-eVALUE" and "-e VALUE".
func option(a secret.String) (name string, value secret.String, joined bool) {
	text := a.Reveal()
	switch {
	case strings.HasPrefix(text, "--"):
		name, text, joined = strings.Cut(text, "=")
	case len(text) > 2 && slices.Contains([]string{"-e", "-i", "-c"}, text[:2]):
		name, text, joined = text[:2], strings.TrimPrefix(text[2:], " "), true
	default:
		name, text = text, ""
	}
	return name, a.With(text), joined
}

// Options that are looked at.
const (
	extraVars  = "--extra-vars"
	commonArgs = "--ssh-common-args"
	inventory  = "--inventory"
	connection = "--connection"
)

func long(name string) string {
	switch name {
	case "-e":
		return extraVars
	case "-i", "--inventory-file":
		return inventory
	case "-c":
		return connection
	}
	return name
}

func takesValue(name string) bool {
	return slices.Contains([]string{extraVars, commonArgs, inventory, connection}, long(name))
}

func (p *play) argument(whole secret.String, name string, value secret.String, has bool) error {
	text := value.Reveal()
	switch long(name) {
	case extraVars:
		return p.variables(value)
	case commonArgs:
		p.common = append(p.common, text)
		return p.shows(value)
	case inventory:
		p.args = append(p.args, "-i", text)
		if strings.Contains(text, ",") { // a list of hosts
			return p.shows(value)
		}
		return errors.Join(p.shows(value), p.readInventory("extra_arguments", text))
	case connection:
		if p.isOwn(text) {
			return nil
		}
		if err := p.connects(text); err != nil {
			return err
		}
	}
	if !has {
		p.args = append(p.args, whole.Reveal())
		return p.shows(whole)
	}
	arg := name + "=" + text
	if !strings.HasPrefix(name, "--") {
		arg = name + text
	}
	p.args = append(p.args, arg)
	return p.shows(value)
}

// Sensitive reports whether a value is, or will be when its tokens are replaced.
func Sensitive(value secret.String) bool {
	for _, token := range op.Tokens(value.Reveal()) {
		if slices.Contains([]string{"build.Password", "build.WinRMPassword", "build.SSHPrivateKey"}, token) {
			return true
		}
	}
	return value.IsSensitive()
}

// shows refuses a sensitive value that would be on a command line.
func (p *play) shows(value secret.String) error {
	if !Sensitive(value) {
		return nil
	}
	return &component.OptionError{Option: "extra_arguments", Message: "would show a sensitive value on a command line",
		Advice: `give it as an extra variable ("-e", "name=value"), or in ansible_env_vars`}
}

// connects refuses ways to the machine that there are not: into a container
// that is kept running, and through a proxy for WinRM.
func (p *play) connects(how string) error {
	if err := p.proxied(how); err != nil {
		return err
	}
	if p.in.BuilderType != "docker" || !slices.Contains([]string{"docker", "podman", "chroot", "local"}, how) {
		return nil
	}
	return &component.OptionError{Option: "extra_arguments",
		Message: fmt.Sprintf("the connection %q is not supported: no container is kept running here", how),
		Advice:  "leave it out, and ansible_host with it: the play runs in the container's file system by itself"}
}

// isOwn reports whether the connection is the one that the play has anyway:
// into the container that is built.
func (p *play) isOwn(how string) bool {
	name := strings.TrimPrefix(strings.Trim(how, `'"`), "community.docker.")
	return p.in.BuilderType == "docker" && (name == "docker" || name == "docker_api")
}

var word = regexp.MustCompile(`\S+`)

// withoutOwn leaves out of the variables what says where the container is.
func (p *play) withoutOwn(text string) string {
	if p.in.BuilderType != "docker" {
		return text
	}
	return strings.TrimSpace(word.ReplaceAllStringFunc(text, func(w string) string {
		if name, val, _ := strings.Cut(w, "="); name == "ansible_host" || name == "ansible_connection" && p.isOwn(val) {
			return ""
		}
		return w
	}))
}

var setsConnection = regexp.MustCompile(`\bansible_connection\b["']?\s*[=:]\s*["']?([\w.]+)`)

// variables adds extra variables.
func (p *play) variables(value secret.String) error {
	text := p.withoutOwn(strings.TrimSpace(value.Reveal()))
	if text == "" {
		return nil
	}
	value = value.With(text)
	if m := setsConnection.FindStringSubmatch(text); m != nil {
		if err := p.connects(m[1]); err != nil {
			return err
		}
	}
	if file, is := strings.CutPrefix(text, "@"); is {
		p.args = append(p.args, "-e", text)
		if err := p.shows(value); err != nil {
			return err
		}
		return p.read("extra_arguments", file)
	}
	if !value.IsSensitive() && len(op.Tokens(text)) == 0 {
		p.args = append(p.args, "-e", value.Reveal())
		return nil
	}
	content, err := Variables(value, p.local.Env)
	if err != nil {
		return err
	}
	path := fmt.Sprintf("%s/vars-%d", op.Token(op.LocalDir), len(p.local.Inputs))
	p.local.Inputs = append(p.local.Inputs, op.File{Path: path, Mode: 0o600, Blob: op.Text(content)})
	p.args = append(p.args, "-e", "@"+path)
	return nil
}

// Variables writes extra variables as the text of a file: those that are YAML
// as they are, "a=b c=d" as JSON. There a value that is known only as the play
// runs comes from the environment: nobody can tell what would have to be
// escaped in it.
func Variables(value secret.String, env map[string]secret.String) (secret.String, error) {
	text := strings.TrimSpace(value.Reveal())
	if strings.HasPrefix(text, "{") || strings.HasPrefix(text, "[") {
		return value, nil
	}
	bad := component.Errorf("extra_arguments", "extra variables are written as name=value, with quotes around values that hold spaces")
	words, err := shlex.Split(text)
	if err != nil {
		return value, bad
	}
	vars := map[string]string{}
	for _, w := range words {
		name, val, ok := strings.Cut(w, "=")
		if !ok || name == "" {
			return value, bad
		}
		if len(op.Tokens(val)) > 0 {
			from := "INGOT_VAR_" + name
			env[from] = value.With(val)
			val = "{{ lookup('env', '" + from + "') }}"
		}
		vars[name] = val
	}
	content, err := json.Marshal(vars)
	return value.With(string(content)), err
}
