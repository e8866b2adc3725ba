package shell

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// folder holds the scripts of the tests.
func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"setup.sh": "#!/bin/bash\necho setup\n",
		"plain.sh": "echo plain\n",
		"dos.sh":   "#!/bin/sh\r\necho dos\r\n",
		"program":  "\x7fELF\x00\r\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	change(c)
	return c
}

func lines(texts ...string) []secret.String {
	var out []secret.String
	for _, text := range texts {
		out = append(out, secret.Plain(text))
	}
	return out
}

const names = `  INGOT_BUILDER_TYPE=docker
  INGOT_BUILD_NAME=web
  PACKER_BUILDER_TYPE=docker
  PACKER_BUILD_NAME=web
`

const vars = `INGOT_BUILDER_TYPE='docker' INGOT_BUILD_NAME='web' PACKER_BUILDER_TYPE='docker' PACKER_BUILD_NAME='web' `

func TestLower(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"inline", func(c *Config) { c.Inline = lines("echo a", "echo b") }, `
exec ["/tmp/script_SCRATCH_2_0.sh"]
` + names + `  input /tmp/script_SCRATCH_2_0.sh 0755
    #!/bin/sh -e
    echo a
    echo b
  start within 5m0s
`},
		{"inline with its own interpreter, exit codes, pause", func(c *Config) {
			c.Inline, c.ValidExitCodes, c.PauseAfter = lines("#!/usr/bin/perl\nexit 3"), []int{0, 3}, time.Minute
		}, `
exec ["/tmp/script_SCRATCH_2_0.sh"]
` + names + `  input /tmp/script_SCRATCH_2_0.sh 0755
    #!/usr/bin/perl
    exit 3
  ok [0 3]
  start within 5m0s
pause 1m0s ""
`},
		{"sensitive inline is the login's only", func(c *Config) {
			c.Inline, c.InlineShebang = []secret.String{secret.Sensitive("login hunter2")}, "/bin/bash -eu"
		}, `
exec ["/tmp/script_SCRATCH_2_0.sh"]
` + names + `  input /tmp/script_SCRATCH_2_0.sh 0700, sensitive
    #!/bin/bash -eu
    login hunter2
  start within 5m0s
`},
		{"scripts", func(c *Config) {
			c.Scripts, c.RemoteFolder, c.StartRetryTimeout = []string{"setup.sh", "plain.sh", "dos.sh"}, "/var/tmp/", time.Second
		}, `
exec ["/var/tmp/script_SCRATCH_2_0.sh"]
` + names + `  input /var/tmp/script_SCRATCH_2_0.sh 0755 from DIR/setup.sh
    #!/bin/bash
    echo setup
  start within 1s
exec ["/bin/sh" "/var/tmp/script_SCRATCH_2_1.sh"]
` + names + `  input /var/tmp/script_SCRATCH_2_1.sh 0755 from DIR/plain.sh
    echo plain
  start within 1s
exec ["/var/tmp/script_SCRATCH_2_2.sh"]
` + names + `  input /var/tmp/script_SCRATCH_2_2.sh 0755 from DIR/dos.sh
    #!/bin/sh
    echo dos
  start within 1s
`},
		{"binary", func(c *Config) { c.Script, c.Binary, c.RemotePath = "program", true, "/opt/program" }, `
exec ["/opt/program"]
` + names + `  input /opt/program 0755 from DIR/program
    ` + "\x7fELF\x00\r" + `
  start within 5m0s
`},
		{"kept, and the machine may disconnect", func(c *Config) {
			c.Inline, c.SkipClean, c.ExpectDisconnect, c.RemoteFile, c.StartRetryTimeout = lines("reboot"), true, true, "last.sh", 0
		}, `
put
  file /tmp/last.sh 0755
    #!/bin/sh -e
    reboot
exec ["/tmp/last.sh"]
` + names + `  may disconnect
`},
		{"Packer's exit code of a disconnect", func(c *Config) {
			c.Inline, c.ValidExitCodes, c.RemotePath, c.StartRetryTimeout = lines("reboot"), []int{0, 2300218}, "~/x.sh", 0
		}, `
exec ["./x.sh"]
` + names + `  input x.sh 0755
    #!/bin/sh -e
    reboot
  may disconnect
  ok [0 2300218]
`},
		{"environment", func(c *Config) {
			c.Inline, c.StartRetryTimeout = lines("env"), 0
			c.EnvironmentVars = []secret.String{secret.Plain("A=1=2"), secret.Plain("B=old"), secret.Sensitive("TOKEN=hunter2"), secret.Plain("PACKER_BUILD_NAME=mine")}
			c.Env = map[string]secret.String{"B": secret.Plain("it's new")}
		}, `
exec ["/tmp/script_SCRATCH_2_0.sh"]
  A=1=2
  B=it's new
  INGOT_BUILDER_TYPE=docker
  INGOT_BUILD_NAME=web
  PACKER_BUILDER_TYPE=docker
  PACKER_BUILD_NAME=mine
  TOKEN=<sensitive>
  input /tmp/script_SCRATCH_2_0.sh 0755
    #!/bin/sh -e
    env
`},
		{"execute_command", func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.Env = map[string]secret.String{"B": secret.Plain("it's")}
			c.ExecuteCommand = secret.Plain("sudo {{.Vars}} bash {{ .Path }}")
		}, `
exec ["/bin/sh" "-c" "sudo B='it'\"'\"'s' ` + vars + ` bash /tmp/script_SCRATCH_2_0.sh"]
  input /tmp/script_SCRATCH_2_0.sh 0755 from DIR/setup.sh
    #!/bin/bash
    echo setup
`},
		{"execute_command that holds a password", func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.ExecuteCommand = secret.Sensitive("echo 'hunter2' | sudo -S {{.Path}}")
		}, `
exec ["/bin/sh" "/tmp/command_SCRATCH_2_0.sh"]
  input /tmp/script_SCRATCH_2_0.sh 0755 from DIR/setup.sh
    #!/bin/bash
    echo setup
  input /tmp/command_SCRATCH_2_0.sh 0700, sensitive
    echo 'hunter2' | sudo -S /tmp/script_SCRATCH_2_0.sh
`},
		{"execute_command with sensitive variables", func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.EnvironmentVars = []secret.String{secret.Sensitive("A=hunter2")}
			c.ExecuteCommand = secret.Plain("sudo {{.Vars}} {{.Path}}")
		}, `
exec ["/bin/sh" "/tmp/command_SCRATCH_2_0.sh"]
  input /tmp/script_SCRATCH_2_0.sh 0755 from DIR/setup.sh
    #!/bin/bash
    echo setup
  input /tmp/command_SCRATCH_2_0.sh 0700, sensitive
    sudo A='hunter2' ` + vars + ` /tmp/script_SCRATCH_2_0.sh
`},
		{"execute_command that names no variables", func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.EnvironmentVars = []secret.String{secret.Sensitive("A=hunter2")}
			c.ExecuteCommand = secret.Plain("sudo {{.Path}}")
		}, `
exec ["/bin/sh" "-c" "sudo /tmp/script_SCRATCH_2_0.sh"]
  input /tmp/script_SCRATCH_2_0.sh 0755 from DIR/setup.sh
    #!/bin/bash
    echo setup
`},
		{"execute_command that asks for a value", func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.ExecuteCommand = secret.Plain("echo {{ printf `%s` `x` }} | sudo -S {{- .Path }}")
		}, `
exec ["/bin/sh" "/tmp/command_SCRATCH_2_0.sh"]
  input /tmp/script_SCRATCH_2_0.sh 0755 from DIR/setup.sh
    #!/bin/bash
    echo setup
  input /tmp/command_SCRATCH_2_0.sh 0700, sensitive
    echo x | sudo -S/tmp/script_SCRATCH_2_0.sh
`},
		{"the default command written out", func(c *Config) {
			c.Script, c.StartRetryTimeout = "setup.sh", 0
			c.ExecuteCommand = secret.Plain("chmod +x {{ .Path }}; {{ .Vars }} {{ .Path }}")
		}, `
exec ["/tmp/script_SCRATCH_2_0.sh"]
` + names + `  input /tmp/script_SCRATCH_2_0.sh 0755 from DIR/setup.sh
    #!/bin/bash
    echo setup
`},
		{"env_var_format", func(c *Config) {
			c.Script, c.EnvVarFormat, c.StartRetryTimeout = "setup.sh", "%s=%s ", 0
		}, `
exec ["/bin/sh" "-c" "INGOT_BUILDER_TYPE=docker INGOT_BUILD_NAME=web PACKER_BUILDER_TYPE=docker PACKER_BUILD_NAME=web  /tmp/script_SCRATCH_2_0.sh"]
  input /tmp/script_SCRATCH_2_0.sh 0755 from DIR/setup.sh
    #!/bin/bash
    echo setup
`},
		{"use_env_var_file", func(c *Config) {
			c.Script, c.UseEnvVarFile, c.SkipClean, c.StartRetryTimeout = "setup.sh", true, true, 0
			c.Env = map[string]secret.String{"B": secret.Sensitive("hunter2")}
		}, `
put
  file /tmp/script_SCRATCH_2_0.sh 0755 from DIR/setup.sh
    #!/bin/bash
    echo setup
exec ["/bin/sh" "-c" ". /tmp/varfile_SCRATCH && /tmp/script_SCRATCH_2_0.sh"]
  input /tmp/varfile_SCRATCH 0600, sensitive
    export B='hunter2'
    export INGOT_BUILDER_TYPE='docker'
    export INGOT_BUILD_NAME='web'
    export PACKER_BUILDER_TYPE='docker'
    export PACKER_BUILD_NAME='web'
`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Lowers(t, config(tt.change), folder(t), tt.want)
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
		{"two", func(c *Config) { c.Script, c.Inline = "setup.sh", lines("x") }, "", "only one of"},
		{"missing script", func(c *Config) { c.Script = "none.sh" }, "script", "there is no file none.sh"},
		{"missing scripts", func(c *Config) { c.Scripts = []string{"setup.sh", "none.sh"} }, "scripts", "there is no file none.sh"},
		{"folder", func(c *Config) { c.Script = "." }, "script", "is not a file"},
		{"no value", func(c *Config) {
			c.Inline, c.EnvironmentVars = lines("x"), []secret.String{secret.Sensitive("hunter2")}
		},
			"environment_vars", "number 1 is not written as NAME=value"},
		{"bad name", func(c *Config) {
			c.Inline, c.EnvironmentVars = lines("x"), []secret.String{secret.Sensitive("hunter2 x=1")}
		},
			"environment_vars", "is not a name"},
		{"bad name of env", func(c *Config) { c.Inline, c.Env = lines("x"), map[string]secret.String{"a-b": {}} }, "env", `"a-b" is not a name`},
		{"format", func(c *Config) { c.Inline, c.EnvVarFormat = lines("x"), "%s " }, "env_var_format", "two times"},
		{"template", func(c *Config) { c.Inline, c.ExecuteCommand = lines("x"), secret.Plain("{{.Nope}}") }, "execute_command", "Nope"},
		{"remote_path", func(c *Config) { c.Inline, c.RemotePath = lines("x"), "/tmp/" }, "remote_path", "is a folder"},
		{"remote_file", func(c *Config) { c.Inline, c.RemoteFile = lines("x"), "a/b" }, "remote_file", "is not a file's name"},
		{"pause_after", func(c *Config) { c.Inline, c.PauseAfter = lines("x"), -1 }, "pause_after", "negative"},
		{"start_retry_timeout", func(c *Config) { c.Inline, c.StartRetryTimeout = lines("x"), -1 }, "start_retry_timeout", "negative"},
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
		c.Inline = lines("true")
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
	want := vars + `PASSWORD='it'"'"'s'  /tmp/script_x1_2_0.sh; x` + "\n"
	if got := provisionertest.Content(t, command); got != want || !command.Sensitive() {
		t.Errorf("got %q (sensitive: %v), want %q", got, command.Sensitive(), want)
	}
}
