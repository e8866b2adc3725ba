// Package shell is the provisioner "shell": it runs scripts on the machine.
package shell

import (
	"cmp"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/script"
)

// Config is the options of the provisioner.
type Config struct {
	script.Options

	// ExecuteCommand is the command that runs a script: {{.Path}} is the
	// script's path on the machine, {{.Vars}} its environment variables and
	// {{.EnvVarFile}} the file that holds them. The script is executable
	// already. Where the command holds a sensitive value it is given to the
	// machine as a file, never on a command line. Default "{{.Vars}}
	// {{.Path}}", and ". {{.EnvVarFile}} && {{.Path}}" with use_env_var_file.
	ExecuteCommand secret.String `hcl:"execute_command,optional" template:"late"`
	// UseEnvVarFile gives the environment variables in a file that the
	// command reads, which only the login may read. Default false.
	UseEnvVarFile bool `hcl:"use_env_var_file,optional"`
	// Binary leaves scripts as they are. Otherwise line ends of Windows (CRLF)
	// become LF. Default false.
	Binary bool `hcl:"binary,optional"`
	// RemoteFolder is the folder of the machine that scripts are put into.
	// Default "/tmp".
	RemoteFolder string `hcl:"remote_folder,optional"`
	// RemoteFile is the name of the script in remote_folder. Default
	// "script_" with letters that no other run has, and ".sh".
	RemoteFile string `hcl:"remote_file,optional"`
	// RemotePath is the path of the script on the machine. Default
	// remote_file in remote_folder.
	RemotePath string `hcl:"remote_path,optional"`
	// SkipClean leaves the script on the machine. Files that hold environment
	// variables are removed in any case. Default false.
	SkipClean bool `hcl:"skip_clean,optional"`
	// ExpectDisconnect says that the machine may end the connection while the
	// script runs, by a reboot. The next step waits until it is back. Default
	// false.
	ExpectDisconnect bool `hcl:"expect_disconnect,optional"`
	script.Start
	script.Rest
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "shell", New: func() provisioners.Provisioner {
		return &Config{Options: script.Defaults(), RemoteFolder: "/tmp", Start: script.StartDefaults()}
	}}
}

const (
	defaultCommand     = "{{.Vars}} {{.Path}}"
	defaultFileCommand = ". {{.EnvVarFile}} && {{.Path}}"

	// packerCommand is Packer's default, which templates like to spell out.
	packerCommand = "chmod +x {{.Path}}; {{.Vars}} {{.Path}}"
)

// Lower returns one Exec for each script.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	bodies, err := c.Bodies(in, c.Binary)
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
		l := lowering{c, in, env, b, c.scriptPath(in, i)}
		lowered, err := l.ops(i)
		if err != nil {
			return nil, err
		}
		ops = append(ops, lowered...)
	}
	return c.After(ops), nil
}

func (c *Config) check() error {
	if c.RemotePath != "" && strings.HasSuffix(c.RemotePath, "/") {
		return component.Errorf("remote_path", "%q is a folder: the path of a file is needed", c.RemotePath)
	}
	if strings.Contains(c.RemoteFile, "/") {
		return component.Errorf("remote_file", "%q is not a file's name: its folder is remote_folder", c.RemoteFile)
	}
	return cmp.Or(c.CheckStart(), c.CheckRest())
}

func (c *Config) scriptPath(in provisioners.Input, i int) string {
	if c.RemotePath != "" {
		return provisioners.RemotePath(c.RemotePath)
	}
	if c.RemoteFile != "" {
		return c.scratch(c.RemoteFile)
	}
	return c.scratch(fmt.Sprintf("script_%s_%d_%d.sh", op.Token(op.Scratch), in.Index, i))
}

func (c *Config) scratch(name string) string {
	return path.Join(provisioners.RemotePath(c.RemoteFolder), name)
}

// lowering is one script on its way to ops.
type lowering struct {
	*Config
	in   provisioners.Input
	env  script.Env
	body script.Body
	path string // on the machine
}

func (l lowering) ops(i int) ([]op.Op, error) {
	exec := l.Exec(l.ValidExitCodes)
	exec.Disconnect = exec.Disconnect || l.ExpectDisconnect
	file := op.File{Path: l.path, Mode: l.mode(), Blob: l.body.Blob}
	var ops []op.Op
	if l.SkipClean {
		ops = append(ops, &op.Put{File: file})
	} else {
		exec.Inputs = []op.File{file}
	}
	if l.direct() {
		exec.Argv, exec.Env = l.body.Argv(l.path), l.env
		return append(ops, exec), nil
	}
	if err := l.command(exec, i); err != nil {
		return nil, err
	}
	return append(ops, exec), nil
}

// direct reports whether the script is run as it is, without a shell in
// between: then no value of the environment needs to be in a command.
func (l lowering) direct() bool {
	command := strings.ReplaceAll(l.ExecuteCommand.Reveal(), " ", "")
	for _, c := range []string{"", defaultCommand, packerCommand} {
		if command == strings.ReplaceAll(c, " ", "") {
			return l.EnvVarFormat == "" && !l.UseEnvVarFile
		}
	}
	return false
}

// mode keeps a sensitive script to the login, unless the command may run it
// as somebody else.
func (l lowering) mode() fs.FileMode {
	if l.body.Blob.Sensitive() && l.ExecuteCommand.Reveal() == "" {
		return 0o700
	}
	return 0o755
}

// command sets the rendered execute_command.
func (l lowering) command(exec *op.Exec, i int) error {
	format := l.EnvVarFormat
	if format == "" {
		format = "%s='%s' "
		if l.UseEnvVarFile {
			format = "export %s='%s'\n"
		}
	}
	vars, err := l.env.Format(format)
	if err != nil {
		return err
	}
	data := map[string]secret.String{"Path": secret.Plain(l.path), "Vars": vars, "EnvVarFile": {}}
	if l.UseEnvVarFile {
		name := l.scratch("varfile_" + op.Token(op.Scratch))
		if !strings.Contains(name, "/") {
			name = "./" + name // "." looks for a bare name in $PATH
		}
		exec.Inputs = append(exec.Inputs, op.File{Path: name, Mode: 0o600, Blob: op.Text(vars)})
		data["EnvVarFile"] = secret.Plain(name)
	}
	command, err := script.Render(l.in, "execute_command", l.template(), data)
	if err != nil {
		return err
	}
	if !script.Revealing(command) {
		exec.Argv = []string{"/bin/sh", "-c", command.Reveal()}
		return nil
	}
	name := l.scratch(fmt.Sprintf("command_%s_%d_%d.sh", op.Token(op.Scratch), l.in.Index, i))
	exec.Inputs = append(exec.Inputs, op.File{Path: name, Mode: 0o700, Blob: op.Text(command.With(command.Reveal() + "\n"))})
	exec.Argv = []string{"/bin/sh", name}
	return nil
}

func (l lowering) template() secret.String {
	switch {
	case l.ExecuteCommand.Reveal() != "":
		return l.ExecuteCommand
	case l.UseEnvVarFile:
		return secret.Plain(defaultFileCommand)
	}
	return secret.Plain(defaultCommand)
}
