// Package windowsshell is the provisioner "windows-shell": it runs batch files
// on a Windows machine.
package windowsshell

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/script"
)

// Config is the options of the provisioner.
type Config struct {
	script.Content

	// Binary is taken for Packer's sake: scripts are never changed.
	Binary bool `hcl:"binary,optional"`
	// ExecuteCommand is the command line that runs a script: {{.Path}} is the
	// script's path on the machine, {{.Vars}} sets its environment variables.
	// Default "{{.Vars}}\"{{.Path}}\"", where the variables are given to the
	// command without being on its command line.
	ExecuteCommand secret.String `hcl:"execute_command,optional" template:"late"`
	// EnvVarFormat is how a variable is written in {{.Vars}}: %s stands for its
	// name, and then for its value. Default "set \"%s=%s\" && ".
	EnvVarFormat string `hcl:"env_var_format,optional"`
	// RemotePath is the path of the script on the machine. Default
	// "c:/Windows/Temp/script.bat".
	RemotePath string `hcl:"remote_path,optional"`
	script.Start
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "windows-shell", New: func() provisioners.Provisioner {
		return &Config{RemotePath: "c:/Windows/Temp/script.bat", Start: script.StartDefaults()}
	}}
}

const (
	defaultCommand = `{{.Vars}}"{{.Path}}"`
	defaultFormat  = `set "%s=%s" && `
)

// Lower returns one Exec for each script.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	bodies, err := c.Bodies(in, true, inline)
	if err != nil {
		return nil, err
	}
	env, err := c.Environment(in)
	if err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	var ops []op.Op
	for i, b := range bodies {
		exec := c.Exec(c.ValidExitCodes)
		exec.Inputs = []op.File{{Path: c.RemotePath, Blob: b.Blob}}
		if err := c.command(in, exec, env, i); err != nil {
			return nil, err
		}
		ops = append(ops, exec)
	}
	return ops, nil
}

func (c *Config) check() error {
	switch {
	case strings.HasSuffix(c.RemotePath, "/"), strings.HasSuffix(c.RemotePath, `\`):
		return component.Errorf("remote_path", "%q is a folder: the path of a file is needed", c.RemotePath)
	case c.RemotePath == "":
		return component.Errorf("remote_path", "is empty")
	}
	return c.CheckStart()
}

// inline makes a batch file of lines.
func inline(lines []secret.String) secret.String {
	text := secret.Join(append(slices.Clone(lines), secret.Plain("")), "\n")
	return text.With(strings.ReplaceAll(strings.ReplaceAll(text.Reveal(), "\r\n", "\n"), "\n", "\r\n"))
}

// command sets the command of exec.
func (c *Config) command(in provisioners.Input, exec *op.Exec, env script.Env, i int) error {
	given := c.ExecuteCommand.Reveal()
	if (given == "" || given == defaultCommand) && c.EnvVarFormat == "" {
		exec.Cmd, exec.Env = `"`+c.RemotePath+`"`, env
		return nil
	}
	format, template := c.EnvVarFormat, c.ExecuteCommand
	if format == "" {
		format = defaultFormat
	}
	if given == "" {
		template = secret.Plain(defaultCommand)
	}
	vars, err := env.FormatWith("env_var_format", format, func(s string) string { return s })
	if err != nil {
		return err
	}
	command, err := script.Render(in, "execute_command", template, map[string]secret.String{"Path": secret.Plain(c.RemotePath), "Vars": vars})
	if err != nil {
		return err
	}
	if !script.Revealing(command) {
		exec.Cmd = command.Reveal()
		return nil
	}
	name := fmt.Sprintf("c:/Windows/Temp/command-%s-%d-%d.cmd", op.Token(op.Scratch), in.Index, i)
	exec.Inputs = append(exec.Inputs, op.File{Path: name, Blob: op.Text(script.Batch(command))})
	exec.Cmd = `"` + name + `"`
	return nil
}
