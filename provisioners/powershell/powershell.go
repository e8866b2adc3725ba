// Package powershell is the provisioner "powershell": it runs PowerShell
// scripts on the machine.
package powershell

import (
	"cmp"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
	"github.com/ingot-build/ingot/provisioners/script"
)

// Config is the options of the provisioner. The machine is a Windows one, or,
// where remote_path begins with "/", a Unix one with PowerShell installed.
type Config struct {
	script.Content

	// Binary is taken for Packer's sake: scripts are never changed.
	Binary bool `hcl:"binary,optional"`
	// ExecuteCommand is the command that runs a script: {{.Path}} is the
	// script's path on the machine, {{.Vars}} that of a file that sets the
	// environment variables. Default, for inline: "powershell -executionpolicy
	// bypass -file {{.Path}}"; for files it reads {{.Vars}}, runs {{.Path}} and
	// exits with $LastExitCode.
	ExecuteCommand secret.String `hcl:"execute_command,optional" template:"late"`
	// ElevatedExecuteCommand is execute_command where elevated_user is set.
	// Default: the same as that of execute_command.
	ElevatedExecuteCommand secret.String `hcl:"elevated_execute_command,optional" template:"late"`
	// ElevatedUser runs the script as this user with highest rights, by a
	// scheduled task: for what a login over the network may not do, such as
	// Windows Update. "SYSTEM" needs no password.
	ElevatedUser string `hcl:"elevated_user,optional"`
	// ElevatedPassword is the password of elevated_user, e.g. build.Password.
	// It is in a file that only lasts as long as the script runs.
	ElevatedPassword secret.String `hcl:"elevated_password,optional"`
	// EnvVarFormat is how a variable is written in {{.Vars}}: %s stands for its
	// name, and then for its value, which is made to stand between double
	// quotes. Default "$env:%s=\"%s\"; ".
	EnvVarFormat string `hcl:"env_var_format,optional"`
	// ElevatedEnvVarFormat is env_var_format where elevated_user is set.
	// Default: the same as that of env_var_format.
	ElevatedEnvVarFormat string `hcl:"elevated_env_var_format,optional"`
	// ExecutionPolicy is what PowerShell may run: "bypass", "allsigned",
	// "default", "remotesigned", "restricted", "undefined", "unrestricted", or
	// "none" to leave it as it is on the machine. Default "bypass".
	ExecutionPolicy string `hcl:"execution_policy,optional"`
	// DebugMode prints each line as it runs: 1, or 2 with assignments and calls
	// too (Set-PSDebug -Trace). Default 0: it does not.
	DebugMode int `hcl:"debug_mode,optional"`
	// UsePwsh runs PowerShell 7 (pwsh) in place of Windows PowerShell. Default
	// false; on a Unix machine it is always pwsh.
	UsePwsh bool `hcl:"use_pwsh,optional"`
	// RemotePath is the path of the script on the machine. Where it ends in "/"
	// or "\" the script keeps its name. Default: a name of its own in
	// "c:/Windows/Temp".
	RemotePath string `hcl:"remote_path,optional"`
	// RemoteEnvVarPath is the path of the file that sets the environment
	// variables. Default: a name of its own in "c:/Windows/Temp".
	RemoteEnvVarPath string `hcl:"remote_env_var_path,optional"`
	// SkipClean leaves the script on the machine. Files that hold environment
	// variables or passwords are removed in any case. Default false.
	SkipClean bool `hcl:"skip_clean,optional"`
	script.Start
	script.Rest
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "powershell", New: func() provisioners.Provisioner {
		return &Config{ExecutionPolicy: "bypass", Start: script.StartDefaults()}
	}}
}

const defaultFormat = `$env:%s="%s"; `

// policies are those that PowerShell knows, and "none".
func policies() []string {
	return []string{"bypass", "allsigned", "default", "remotesigned", "restricted", "undefined", "unrestricted", "none"}
}

// Lower returns one Exec for each script.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	env, err := c.Environment(in)
	if err != nil {
		return nil, err
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	option, format := c.format()
	vars, err := env.FormatWith(option, format, op.QuotePowerShell)
	if err != nil {
		return nil, err
	}
	bodies, err := c.Bodies(in, true, func(lines []secret.String) secret.String { return c.wrap(lines, vars) })
	if err != nil {
		return nil, err
	}
	var ops []op.Op
	for i, b := range bodies {
		lowered, err := lowering{Config: c, in: in, vars: vars, body: b, index: i}.ops()
		if err != nil {
			return nil, err
		}
		ops = append(ops, lowered...)
	}
	return c.After(ops), nil
}

func (c *Config) check() error {
	switch {
	case !slices.Contains(policies(), strings.ToLower(c.ExecutionPolicy)):
		return component.Errorf("execution_policy", "%q is not one of %s", c.ExecutionPolicy, strings.Join(policies(), ", "))
	case c.DebugMode < 0 || c.DebugMode > 2:
		return component.Errorf("debug_mode", "%d is not 0, 1 or 2", c.DebugMode)
	case c.ElevatedUser == "" && c.ElevatedPassword.Reveal() != "":
		return component.Errorf("elevated_password", "needs elevated_user")
	case c.ElevatedUser != "" && c.unix():
		return component.Errorf("elevated_user", "is for Windows machines, and remote_path is a path of a Unix machine")
	}
	return cmp.Or(c.CheckStart(), c.CheckRest())
}

// unix reports whether the machine is a Unix one.
func (c *Config) unix() bool { return strings.HasPrefix(c.RemotePath, "/") }

func (c *Config) format() (option, format string) {
	option, format = "env_var_format", c.EnvVarFormat
	if c.ElevatedUser != "" {
		option, format = "elevated_env_var_format", c.ElevatedEnvVarFormat
	}
	if format == "" {
		format = defaultFormat
	}
	return option, format
}

// wrap makes a script of inline lines: an error that nobody catches is exit
// code 1, and the exit code of the last program counts too.
func (c *Config) wrap(lines []secret.String, vars secret.String) secret.String {
	text := []secret.String{secret.Plain(quiet)}
	if c.DebugMode > 0 {
		text = append(text, secret.Plain(c.trace()))
	}
	text = append(text, secret.Plain("$exitCode = 0"), secret.Plain("try {"), vars)
	text = append(text, lines...)
	text = append(text, secret.Plain(ending))
	return secret.Join(text, "\n")
}

// quiet keeps the progress of cmdlets out of what is printed.
const quiet = `if (Test-Path variable:global:ProgressPreference) { $global:ProgressPreference = 'SilentlyContinue' }`

const ending = `$exitCode = 0
} catch {
Write-Error "An error occurred: $_"
$exitCode = 1
}
if ((Test-Path variable:global:LASTEXITCODE) -and $LASTEXITCODE) { $exitCode = $LASTEXITCODE }
exit $exitCode
`
