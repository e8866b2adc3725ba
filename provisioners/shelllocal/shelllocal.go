// Package shelllocal is the provisioner "shell-local": it runs scripts on the
// host that ingot runs on.
package shelllocal

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/script"
)

// Config is the options of the provisioner, and of the post-processor of the
// same name.
type Config struct {
	script.Options

	// Command is a one-line inline. Deprecated by Packer in favour of inline.
	Command secret.String `hcl:"command,optional"`
	// ExecuteCommand is the command that runs a script, and its arguments:
	// {{.Script}} is the script's path, {{.Vars}} its environment variables.
	// One element alone is run by /bin/sh -c. By default the variables are in
	// the environment of the script. A sensitive value never gets onto a
	// command line: a command of the form [SHELL, "-c", TEXT] that holds one
	// is run from a file that only the user may read, others are refused.
	// Default ["/bin/sh", "-c", "{{.Vars}} {{.Script}}"].
	ExecuteCommand []secret.String `hcl:"execute_command,optional" template:"late"`
	// OnlyOn are the systems that the scripts run on, of "darwin", "freebsd",
	// "linux", "openbsd", "solaris" and "windows"; on others the step does
	// nothing. Default all.
	OnlyOn []string `hcl:"only_on,optional"`
	// TempfileExtension is the extension of the file that inline is written
	// to, as "sh" or ".sh". Default none.
	TempfileExtension string `hcl:"tempfile_extension,optional"`
	// UseLinuxPathing is for Packer on Windows.
	UseLinuxPathing bool `hcl:"use_linux_pathing,optional" refuse:"it is for Windows with WSL, where ingot is run inside of WSL"`
}

// New returns the options with their defaults.
func New() Config { return Config{Options: script.Defaults()} }

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "shell-local", New: func() provisioners.Provisioner {
		c := New()
		return &c
	}}
}

const defaultFormat = "%s='%s' "

// Lower returns one Local for each script. Scripts that are files run where
// they are.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	if err := c.checkSystems(); err != nil {
		return nil, err
	}
	options := c.Options
	if c.Command.Reveal() != "" {
		if len(options.Inline) > 0 || options.Script != "" || len(options.Scripts) > 0 {
			return nil, component.Errorf("command", "can't be given beside inline, script or scripts")
		}
		options.Inline = []secret.String{c.Command}
	}
	bodies, err := options.Bodies(in, true)
	if err != nil {
		return nil, err
	}
	env, err := c.Environment(in)
	if err != nil {
		return nil, err
	}
	var ops []op.Op
	for i, b := range bodies {
		o, err := c.one(in, env, b, i)
		if err != nil {
			return nil, err
		}
		ops = append(ops, o)
	}
	if len(c.OnlyOn) > 0 && !slices.Contains(c.OnlyOn, runtime.GOOS) {
		return nil, nil
	}
	return ops, nil
}

func (c *Config) checkSystems() error {
	known := []string{"darwin", "freebsd", "linux", "openbsd", "solaris", "windows"}
	for _, name := range c.OnlyOn {
		if !slices.Contains(known, name) {
			return component.Errorf("only_on", "%q is none of %s", name, strings.Join(known, ", "))
		}
	}
	return nil
}

func (c *Config) one(in provisioners.Input, env script.Env, b script.Body, i int) (*op.Local, error) {
	o := &op.Local{Dir: in.Dir, OK: c.ValidExitCodes}
	path := b.File
	if path == "" {
		path = op.Token(op.LocalDir) + "/script" + c.extension()
		o.Inputs = []op.File{{Path: path, Mode: 0o700, Blob: b.Blob}}
	} else {
		o.Reads = []op.Blob{b.Blob}
	}
	command := c.command()
	if command == nil {
		o.Argv, o.Env = b.Argv(path), env
		return o, executable(in, b, o.Argv)
	}
	return o, c.render(in, o, env, command, absolute(in, path), i)
}

func (c *Config) extension() string {
	if c.TempfileExtension == "" {
		return ""
	}
	return "." + strings.TrimPrefix(c.TempfileExtension, ".")
}

// command is the command to render, nil for the default: then the script is
// run as it is, with the variables in its environment.
func (c *Config) command() []secret.String {
	command := c.ExecuteCommand
	sh := []secret.String{secret.Plain("/bin/sh"), secret.Plain("-c")}
	switch len(command) {
	case 0:
		command = append(sh, secret.Plain("{{.Vars}} {{.Script}}"))
	case 1:
		command = append(sh, command[0])
	}
	isDefault := len(command) == 3 && command[0].Reveal() == "/bin/sh" && command[1].Reveal() == "-c" &&
		strings.ReplaceAll(command[2].Reveal(), " ", "") == "{{.Vars}}{{.Script}}"
	if isDefault && (c.EnvVarFormat == "" || c.EnvVarFormat == defaultFormat) {
		return nil
	}
	return command
}

// absolute is where commands find the script, whatever folder they go to.
func absolute(in provisioners.Input, path string) string {
	if strings.HasPrefix(path, op.Token(op.LocalDir)) {
		return path
	}
	if abs, err := filepath.Abs(in.Path(path)); err == nil {
		return abs
	}
	return in.Path(path)
}

// executable reports a script that is run by its own path and must not be.
func executable(in provisioners.Input, b script.Body, argv []string) error {
	if b.File == "" || len(argv) > 1 {
		return nil
	}
	st, err := os.Stat(in.Path(b.File))
	if err != nil || st.Mode().Perm()&0o111 != 0 {
		return err
	}
	return &component.OptionError{Option: "script", Message: b.File + " is not executable", Advice: "run chmod +x " + b.File}
}

// render sets the rendered execute_command.
func (c *Config) render(in provisioners.Input, o *op.Local, env script.Env, command []secret.String, path string, i int) error {
	format := c.EnvVarFormat
	if format == "" {
		format = defaultFormat
	}
	vars, err := env.Format(format)
	if err != nil {
		return err
	}
	data := map[string]secret.String{"Script": secret.Plain(path), "Command": secret.Plain(path), "Vars": vars}
	for n, part := range command {
		text, err := script.Render(in, "execute_command", part, data)
		if err != nil {
			return err
		}
		if !script.Revealing(text) {
			o.Argv = append(o.Argv, text.Reveal())
			continue
		}
		if n != 2 || len(command) != 3 || command[1].Reveal() != "-c" {
			return &component.OptionError{Option: "execute_command", Message: "would show a sensitive value on a command line",
				Advice: `write it as ["/bin/sh", "-c", "…"], or let the script read the value from its environment`}
		}
		name := fmt.Sprintf("%s/command_%d", op.Token(op.LocalDir), i)
		o.Inputs = append(o.Inputs, op.File{Path: name, Mode: 0o700, Blob: op.Text(text.With(text.Reveal() + "\n"))})
		o.Argv = []string{command[0].Reveal(), name}
	}
	return nil
}
