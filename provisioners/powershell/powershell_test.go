package powershell

import (
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func folder(t *testing.T) string {
	t.Helper()
	return provisionertest.Files(t, map[string]string{"setup.ps1": "Write-Output 1\r\n"})
}

func TestLower(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"inline": func(c *Config) {
			c.Inline = provisionertest.Plain(`Write-Output "hi"`, "exit 3")
			c.EnvironmentVars = provisionertest.Plain(`A=a"b$c'd` + "`")
			c.Env = map[string]secret.String{"P": secret.Sensitive(provisionertest.Secret)}
			c.ValidExitCodes = []int{0, 3}
			c.DebugMode = 1
			c.PauseAfter = time.Second
		},
		"script": func(c *Config) {
			c.Script = "setup.ps1"
			c.DebugMode = 2
			c.ExecutionPolicy = "remotesigned"
		},
		"paths and formats": func(c *Config) {
			c.Scripts = []string{"setup.ps1"}
			c.RemotePath, c.RemoteEnvVarPath = `C:\Setup\`, "C:/Setup/env.ps1"
			c.EnvVarFormat = "[Environment]::SetEnvironmentVariable('%s', \"%s\")\n"
			c.SkipClean, c.UsePwsh = true, true
			c.ExecutionPolicy = "none"
			c.StartRetryTimeout = time.Minute
			c.ValidExitCodes = []int{0, 16001}
		},
		"a command with a secret": func(c *Config) {
			c.Script = "setup.ps1"
			c.ExecuteCommand = secret.Sensitive("powershell -File {{.Path}} -Key " + provisionertest.Secret + " 100%")
			c.RemotePath = "c:/x.ps1"
		},
		"a Unix machine": func(c *Config) {
			c.Inline = provisionertest.Plain("Get-Date")
			c.RemotePath = "/tmp/step.ps1"
		},
		"a Unix machine and a script": func(c *Config) {
			c.Script = "setup.ps1"
			c.RemotePath = "/tmp/step.ps1"
		},
		"a Unix machine and a command": func(c *Config) {
			c.Script = "setup.ps1"
			c.RemotePath = "/tmp/step.ps1"
			c.ExecuteCommand = secret.Plain("sudo pwsh {{.Path}}")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Golden(t, config(change), folder(t))
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
	}), folder(t), `
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
		c.Inline = provisionertest.Plain("exit 0")
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
		"environment_vars":        func(c *Config) { c.EnvironmentVars = provisionertest.Plain("=x") },
	} {
		t.Run(option, func(t *testing.T) {
			t.Parallel()
			provisionertest.Refuses(t, config(func(c *Config) {
				c.Inline = provisionertest.Plain("x")
				change(c)
			}), t.TempDir(), option, "")
		})
	}
	provisionertest.Refuses(t, config(func(*Config) {}), t.TempDir(), "", "nothing to run")
	provisionertest.Refuses(t, config(func(c *Config) { c.Inline, c.Script = provisionertest.Plain("x"), "y" }), t.TempDir(), "", "only one of")
}
