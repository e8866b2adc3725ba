package powershell

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	change(c)
	return c
}

func plain(lines ...string) []secret.String {
	var out []secret.String
	for _, l := range lines {
		out = append(out, secret.Plain(l))
	}
	return out
}

func dir(t *testing.T) string {
	t.Helper()
	d := t.TempDir()
	if err := os.WriteFile(filepath.Join(d, "setup.ps1"), []byte("Write-Output 1\r\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return d
}

// packerVars are set in every script.
const packerVars = "$env:INGOT_BUILDER_TYPE=\"docker\"; $env:INGOT_BUILD_NAME=\"web\"; $env:PACKER_BUILDER_TYPE=\"docker\"; $env:PACKER_BUILD_NAME=\"web\"; "

func TestLower(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"inline": {func(c *Config) {
			c.Inline = plain(`Write-Output "hi"`, "exit 3")
			c.EnvironmentVars = plain(`A=a"b$c'd` + "`")
			c.Env = map[string]secret.String{"P": secret.Sensitive(provisionertest.Secret)}
			c.ValidExitCodes = []int{0, 3}
			c.DebugMode = 1
			c.PauseAfter = time.Second
		}, `
cmd powershell -executionpolicy bypass -file c:/Windows/Temp/script-SCRATCH-2-0.ps1
  input c:/Windows/Temp/script-SCRATCH-2-0.ps1 0700, sensitive
    if (Test-Path variable:global:ProgressPreference) { $global:ProgressPreference = 'SilentlyContinue' }
    Set-PSDebug -Trace 1
    $exitCode = 0
    try {
    $env:A="a` + "`\"b`$c'd``" + `"; $env:INGOT_BUILDER_TYPE="docker"; $env:INGOT_BUILD_NAME="web"; $env:P="hunter2"; $env:PACKER_BUILDER_TYPE="docker"; $env:PACKER_BUILD_NAME="web"; 
    Write-Output "hi"
    exit 3
    $exitCode = 0
    } catch {
    Write-Error "An error occurred: $_"
    $exitCode = 1
    }
    if ((Test-Path variable:global:LASTEXITCODE) -and $LASTEXITCODE) { $exitCode = $LASTEXITCODE }
    exit $exitCode
  ok [0 3]
  start within 5m0s
pause 1s ""
`},
		"script": {func(c *Config) {
			c.Script = "setup.ps1"
			c.DebugMode = 2
			c.ExecutionPolicy = "remotesigned"
		}, `
cmd powershell -executionpolicy remotesigned -command "& { if (Test-Path variable:global:ProgressPreference) { $global:ProgressPreference = 'SilentlyContinue' }; Set-PSDebug -Trace 2; . c:/Windows/Temp/vars-SCRATCH-2-0.ps1; &'c:/Windows/Temp/script-SCRATCH-2-0.ps1'; exit $LastExitCode }"
  input c:/Windows/Temp/script-SCRATCH-2-0.ps1 0700 from DIR/setup.ps1
    Write-Output 1` + "\r" + `
  input c:/Windows/Temp/vars-SCRATCH-2-0.ps1 0600
    ` + packerVars + `
  start within 5m0s
`},
		"paths, formats, what is left": {func(c *Config) {
			c.Scripts = []string{"setup.ps1"}
			c.RemotePath, c.RemoteEnvVarPath = `C:\Setup\`, "C:/Setup/env.ps1"
			c.EnvVarFormat = "[Environment]::SetEnvironmentVariable('%s', \"%s\")\n"
			c.SkipClean, c.UsePwsh = true, true
			c.ExecutionPolicy = "none"
			c.StartRetryTimeout = time.Minute
			c.ValidExitCodes = []int{0, 16001}
		}, `
put
  file C:\Setup\setup.ps1 0700 from DIR/setup.ps1
    Write-Output 1` + "\r" + `
cmd pwsh -command "& { if (Test-Path variable:global:ProgressPreference) { $global:ProgressPreference = 'SilentlyContinue' }; . C:/Setup/env.ps1; &'C:\Setup\setup.ps1'; exit $LastExitCode }"
  input C:/Setup/env.ps1 0600
    [Environment]::SetEnvironmentVariable('INGOT_BUILDER_TYPE', "docker")
    [Environment]::SetEnvironmentVariable('INGOT_BUILD_NAME', "web")
    [Environment]::SetEnvironmentVariable('PACKER_BUILDER_TYPE', "docker")
    [Environment]::SetEnvironmentVariable('PACKER_BUILD_NAME', "web")
  may disconnect
  ok [0 16001]
  start within 1m0s
`},
		"a command of its own, with a secret": {func(c *Config) {
			c.Script = "setup.ps1"
			c.ExecuteCommand = secret.Sensitive("powershell -File {{.Path}} -Key " + provisionertest.Secret + " 100%")
			c.RemotePath = "c:/x.ps1"
		}, `
cmd "c:/Windows/Temp/command-SCRATCH-2-0.cmd"
  input c:/x.ps1 0700 from DIR/setup.ps1
    Write-Output 1` + "\r" + `
  input c:/Windows/Temp/command-SCRATCH-2-0.cmd 0644, sensitive
    @powershell -File c:/x.ps1 -Key hunter2 100%%` + "\r" + `
  start within 5m0s
`},
		"a Unix machine": {func(c *Config) {
			c.Inline = plain("Get-Date")
			c.RemotePath = "/tmp/step.ps1"
		}, `
exec ["pwsh" "-executionpolicy" "bypass" "-file" "/tmp/step.ps1"]
  input /tmp/step.ps1 0700
    if (Test-Path variable:global:ProgressPreference) { $global:ProgressPreference = 'SilentlyContinue' }
    $exitCode = 0
    try {
    ` + packerVars + `
    Get-Date
    $exitCode = 0
    } catch {
    Write-Error "An error occurred: $_"
    $exitCode = 1
    }
    if ((Test-Path variable:global:LASTEXITCODE) -and $LASTEXITCODE) { $exitCode = $LASTEXITCODE }
    exit $exitCode
  start within 5m0s
`},
		"a Unix machine, a script": {func(c *Config) {
			c.Script = "setup.ps1"
			c.RemotePath = "/tmp/step.ps1"
		}, `
exec ["pwsh" "-executionpolicy" "bypass" "-command" "& { if (Test-Path variable:global:ProgressPreference) { $global:ProgressPreference = 'SilentlyContinue' }; . /tmp/vars-SCRATCH-2-0.ps1; &'/tmp/step.ps1'; exit $LastExitCode }"]
  input /tmp/step.ps1 0700 from DIR/setup.ps1
    Write-Output 1` + "\r" + `
  input /tmp/vars-SCRATCH-2-0.ps1 0600
    ` + packerVars + `
  start within 5m0s
`},
		"a Unix machine, a command": {func(c *Config) {
			c.Script = "setup.ps1"
			c.RemotePath = "/tmp/step.ps1"
			c.ExecuteCommand = secret.Plain("sudo pwsh {{.Path}}")
		}, `
exec ["/bin/sh" "-c" "sudo pwsh /tmp/step.ps1"]
  input /tmp/step.ps1 0700 from DIR/setup.ps1
    Write-Output 1` + "\r" + `
  start within 5m0s
`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Lowers(t, config(test.change), dir(t), test.want)
		})
	}
}

// TestElevated checks that the password is in a file and nowhere else.
func TestElevated(t *testing.T) {
	t.Parallel()
	ops := provisionertest.Lowers(t, config(func(c *Config) {
		c.Script = "setup.ps1"
		c.RemotePath = "c:/x.ps1"
		c.ElevatedUser, c.ElevatedPassword = `CORP\bob`, secret.Sensitive(provisionertest.Secret+`"$`)
		c.ElevatedEnvVarFormat = "$env:%s = \"%s\"\n"
		c.ElevatedExecuteCommand = secret.Plain(`powershell -file "{{.Path}}" & exit`)
	}), dir(t), `
cmd powershell -executionpolicy bypass -file "c:/Windows/Temp/elevated-SCRATCH-2-0.ps1"
  input c:/x.ps1 0700 from DIR/setup.ps1
    Write-Output 1`+"\r"+`
  input c:/Windows/Temp/elevated-SCRATCH-2-0.ps1 0600, sensitive
    $password = "hunter2`+"`\"`$"+`"
    $user = "CORP\bob"
    $line = "powershell -file `+"`\"c:/x.ps1`\""+` & exit"
    $name = "ingot-SCRATCH-2-0"
    `+indent(runnerScript)+`
  start within 5m0s
`)
	if len(ops) != 1 {
		t.Errorf("%d ops", len(ops))
	}
}

func indent(s string) string {
	out := ""
	for i, r := range s {
		out += string(r)
		if r == '\n' && i < len(s)-1 {
			out += "    "
		}
	}
	return out[:len(out)-1]
}

// TestToken checks that a password that is known later is fit for its quotes.
func TestToken(t *testing.T) {
	t.Parallel()
	c := config(func(c *Config) {
		c.Inline = plain("exit 0")
		c.ElevatedUser, c.ElevatedPassword = "Administrator", secret.Sensitive(op.Token("build.WinRMPassword"))
	})
	ops, err := c.Lower(provisionertest.Input(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	bound := op.Bind(ops, op.Values{"build.WinRMPassword": secret.Sensitive(`p"w$`)})[0].(*op.Exec)
	text := provisionertest.Content(t, bound.Inputs[len(bound.Inputs)-1].Blob)
	if want := "$password = \"p`\"w`$\"\n"; text[:len(want)] != want {
		t.Errorf("begins with %q", text[:40])
	}
}

func TestRefuses(t *testing.T) {
	t.Parallel()
	for option, change := range map[string]func(*Config){
		"execution_policy":        func(c *Config) { c.ExecutionPolicy = "all" },
		"debug_mode":              func(c *Config) { c.DebugMode = 3 },
		"elevated_password":       func(c *Config) { c.ElevatedPassword = secret.Sensitive(provisionertest.Secret) },
		"elevated_user":           func(c *Config) { c.ElevatedUser, c.RemotePath = "root", "/tmp/x.ps1" },
		"start_retry_timeout":     func(c *Config) { c.StartRetryTimeout = -1 },
		"pause_after":             func(c *Config) { c.PauseAfter = -1 },
		"env_var_format":          func(c *Config) { c.EnvVarFormat = "x" },
		"elevated_env_var_format": func(c *Config) { c.ElevatedUser, c.ElevatedEnvVarFormat = "a", "%s" },
		"script":                  func(c *Config) { c.Inline, c.Script = nil, "none.ps1" },
		"environment_vars":        func(c *Config) { c.EnvironmentVars = plain("=x") },
	} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			provisionertest.Refuses(t, config(func(c *Config) {
				c.Inline = plain("x")
				change(c)
			}), t.TempDir(), option, "")
		})
	}
	provisionertest.Refuses(t, config(func(*Config) {}), t.TempDir(), "", "nothing to run")
	provisionertest.Refuses(t, config(func(c *Config) { c.Inline, c.Script = plain("x"), "y" }), t.TempDir(), "", "only one of")
}
