package shell

import (
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// folder holds the scripts of the tests.
func folder(t *testing.T) string {
	t.Helper()
	return provisionertest.Files(t, map[string]string{
		"setup.sh": "#!/bin/bash\necho setup\n",
		"plain.sh": "echo plain\n",
		"dos.sh":   "#!/bin/sh\r\necho dos\r\n",
		"program":  "\x7fELF\x00\r\n",
	})
}

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func TestLower(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"inline": func(c *Config) { c.Inline = provisionertest.Plain("echo a", "echo b") },
		"inline with its own interpreter": func(c *Config) {
			c.Inline, c.ValidExitCodes, c.PauseAfter = provisionertest.Plain("#!/usr/bin/perl\nexit 3"), []int{0, 3}, time.Minute
		},
		"sensitive inline": func(c *Config) {
			c.Inline, c.InlineShebang = []secret.String{secret.Sensitive("login hunter2")}, "/bin/bash -eu"
		},
		"scripts": func(c *Config) {
			c.Scripts, c.RemoteFolder, c.StartRetryTimeout = []string{"setup.sh", "plain.sh", "dos.sh"}, "/var/tmp/", time.Second
		},
		"binary": func(c *Config) { c.Script, c.Binary, c.RemotePath = "program", true, "/opt/program" },
		"kept": func(c *Config) {
			c.Inline, c.SkipClean, c.ExpectDisconnect, c.RemoteFile, c.StartRetryTimeout = provisionertest.Plain("reboot"), true, true, "last.sh", 0
		},
		"exit code of a disconnect": func(c *Config) {
			c.Inline, c.ValidExitCodes, c.RemotePath, c.StartRetryTimeout = provisionertest.Plain("reboot"), []int{0, 2300218}, "~/x.sh", 0
		},
		"environment": func(c *Config) {
			c.Inline, c.StartRetryTimeout = provisionertest.Plain("env"), 0
			c.EnvironmentVars = []secret.String{secret.Plain("A=1=2"), secret.Plain("B=old"), secret.Sensitive("TOKEN=hunter2"), secret.Plain("PACKER_BUILD_NAME=mine")}
			c.Env = map[string]secret.String{"B": secret.Plain("it's new")}
		},
		"execute_command": func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.Env = map[string]secret.String{"B": secret.Plain("it's")}
			c.ExecuteCommand = secret.Plain("sudo {{.Vars}} bash {{ .Path }}")
		},
		"execute_command that holds a password": func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.ExecuteCommand = secret.Sensitive("echo 'hunter2' | sudo -S {{.Path}}")
		},
		"execute_command with sensitive variables": func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.EnvironmentVars = []secret.String{secret.Sensitive("A=hunter2")}
			c.ExecuteCommand = secret.Plain("sudo {{.Vars}} {{.Path}}")
		},
		"execute_command that names no variables": func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.EnvironmentVars = []secret.String{secret.Sensitive("A=hunter2")}
			c.ExecuteCommand = secret.Plain("sudo {{.Path}}")
		},
		"execute_command that asks for a value": func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.ExecuteCommand = secret.Plain("echo {{ printf `%s` `x` }} | sudo -S {{- .Path }}")
		},
		"the default command written out": func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.ExecuteCommand = secret.Plain("chmod +x {{ .Path }}; {{ .Vars }} {{ .Path }}")
		},
		"env_var_format": func(c *Config) {
			c.Script, c.EnvVarFormat, c.StartRetryTimeout = "setup.sh", "%s=%s ", 0
		},
		"use_env_var_file": func(c *Config) {
			c.Script, c.UseEnvVarFile, c.SkipClean, c.StartRetryTimeout = "setup.sh", true, true, 0
			c.Env = map[string]secret.String{"B": secret.Sensitive("hunter2")}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Golden(t, config(change), folder(t))
		})
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	dir := folder(t)
	for _, tt := range []struct {
		name         string
		change       func(*Config)
		option, want string
	}{
		{"nothing", func(c *Config) {}, "", "one of inline, script and scripts is needed"},
		{"two", func(c *Config) { c.Script, c.Inline = "setup.sh", provisionertest.Plain("x") }, "", "only one of"},
		{"missing script", func(c *Config) { c.Script = "none.sh" }, "script", "there is no file none.sh"},
		{"missing scripts", func(c *Config) { c.Scripts = []string{"setup.sh", "none.sh"} }, "scripts", "there is no file none.sh"},
		{"folder", func(c *Config) { c.Script = "." }, "script", "is not a file"},
		{"no value", func(c *Config) {
			c.Inline, c.EnvironmentVars = provisionertest.Plain("x"), []secret.String{secret.Sensitive("hunter2")}
		},
			"environment_vars", "number 1 is not written as NAME=value"},
		{"bad name", func(c *Config) {
			c.Inline, c.EnvironmentVars = provisionertest.Plain("x"), []secret.String{secret.Sensitive("hunter2 x=1")}
		},
			"environment_vars", "is not a name"},
		{"bad name of env", func(c *Config) { c.Inline, c.Env = provisionertest.Plain("x"), map[string]secret.String{"a-b": {}} }, "env", `"a-b" is not a name`},
		{"format", func(c *Config) { c.Inline, c.EnvVarFormat = provisionertest.Plain("x"), "%s " }, "env_var_format", "two times"},
		{"template", func(c *Config) { c.Inline, c.ExecuteCommand = provisionertest.Plain("x"), secret.Plain("{{.Nope}}") }, "execute_command", "Nope"},
		{"remote_path", func(c *Config) { c.Inline, c.RemotePath = provisionertest.Plain("x"), "/tmp/" }, "remote_path", "is a folder"},
		{"remote_file", func(c *Config) { c.Inline, c.RemoteFile = provisionertest.Plain("x"), "a/b" }, "remote_file", "is not a file's name"},
		{"pause_after", func(c *Config) { c.Inline, c.PauseAfter = provisionertest.Plain("x"), -1 }, "pause_after", "negative"},
		{"start_retry_timeout", func(c *Config) { c.Inline, c.StartRetryTimeout = provisionertest.Plain("x"), -1 }, "start_retry_timeout", "negative"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Refuses(t, config(tt.change), dir, tt.option, tt.want)
		})
	}
}

// A value that is known only later must not end the quotes it stands in, and
// must not get onto a command line.
func TestLateValueInCommand(t *testing.T) {
	t.Parallel()
	ops, err := config(func(c *Config) {
		c.Inline = provisionertest.Plain("true")
		c.Env = map[string]secret.String{"PASSWORD": secret.Plain(op.Token("build.Password"))}
		c.ExecuteCommand = secret.Plain("{{.Vars}} {{.Path}}; x")
	}).Lower(provisionertest.Input(t.TempDir()))
	if err != nil {
		t.Fatal(err)
	}
	exec := op.Bind(ops, op.Values{"build.Password": secret.Sensitive("it's"), op.Scratch: secret.Plain("x1")})[0].(*op.Exec)
	if got := exec.Argv; len(got) != 2 || got[1] != "/tmp/command_x1_2_0.sh" {
		t.Fatalf("runs %q", got)
	}
	command := exec.Inputs[1].Blob
	want := `INGOT_BUILDER_TYPE='docker' INGOT_BUILD_NAME='web' PACKER_BUILDER_TYPE='docker' PACKER_BUILD_NAME='web' ` +
		`PASSWORD='it'"'"'s'  /tmp/script_x1_2_0.sh; x` + "\n"
	if got := provisionertest.Content(t, command); got != want || !command.Sensitive() {
		t.Errorf("got %q (sensitive: %v), want %q", got, command.Sensitive(), want)
	}
}
