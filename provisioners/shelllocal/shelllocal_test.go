package shelllocal

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

func folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"a.sh": "#!/bin/sh\necho a\n", "b.sh": "echo b\n", "c.sh": "#!/bin/sh\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(filepath.Join(dir, "a.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	change(c)
	return c
}

func plain(texts ...string) []secret.String {
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
		{"inline", func(c *Config) {
			c.Inline, c.ValidExitCodes, c.TempfileExtension = plain("echo a", "echo b"), []int{7}, ".sh"
			c.Env = map[string]secret.String{"T": secret.Sensitive("hunter2")}
		}, `
local ["LOCALDIR/script.sh"] in DIR
` + names + `  T=<sensitive>
  input LOCALDIR/script.sh 0700
    #!/bin/sh -e
    echo a
    echo b
  ok [7]
`},
		{"command", func(c *Config) { c.Command, c.InlineShebang = secret.Sensitive("login hunter2"), "/bin/bash" }, `
local ["LOCALDIR/script"] in DIR
` + names + `  input LOCALDIR/script 0700, sensitive
    #!/bin/bash
    login hunter2
`},
		{"scripts run where they are", func(c *Config) { c.Scripts = []string{"a.sh", "./b.sh"} }, `
local ["./a.sh"] in DIR
` + names + `  reads DIR/a.sh 96d68d5048de
local ["/bin/sh" "./b.sh"] in DIR
` + names + `  reads DIR/b.sh 256931e5627b
`},
		{"only here", func(c *Config) { c.Script, c.OnlyOn = "a.sh", []string{"windows", runtime.GOOS} }, `
local ["./a.sh"] in DIR
` + names + `  reads DIR/a.sh 96d68d5048de
`},
		{"only elsewhere", func(c *Config) { c.Script, c.OnlyOn = "a.sh", []string{"windows"} }, ``},
		{"the default command written out", func(c *Config) {
			c.Script, c.ExecuteCommand = "a.sh", plain("/bin/sh", "-c", "{{ .Vars }} {{ .Script }}")
		}, `
local ["./a.sh"] in DIR
` + names + `  reads DIR/a.sh 96d68d5048de
`},
		{"execute_command", func(c *Config) {
			c.Script, c.ExecuteCommand = "c.sh", plain("/bin/bash", "-x", "{{.Script}}")
		}, `
local ["/bin/bash" "-x" "DIR/c.sh"] in DIR
  reads DIR/c.sh a8076d3d28d2
`},
		{"execute_command of one element", func(c *Config) {
			c.Script, c.ExecuteCommand = "a.sh", plain("{{.Vars}}bash {{.Script}}")
		}, `
local ["/bin/sh" "-c" "` + vars + `bash DIR/a.sh"] in DIR
  reads DIR/a.sh 96d68d5048de
`},
		{"env_var_format", func(c *Config) {
			c.Script, c.EnvVarFormat = "a.sh", "%s=%s "
		}, `
local ["/bin/sh" "-c" "INGOT_BUILDER_TYPE=docker INGOT_BUILD_NAME=web PACKER_BUILDER_TYPE=docker PACKER_BUILD_NAME=web  DIR/a.sh"] in DIR
  reads DIR/a.sh 96d68d5048de
`},
		{"execute_command with sensitive variables", func(c *Config) {
			c.Inline, c.ExecuteCommand = plain("true"), plain("/bin/bash", "-c", "{{.Vars}}ssh host {{.Script}}")
			c.EnvironmentVars = []secret.String{secret.Sensitive("A=hunter2")}
		}, `
local ["/bin/bash" "LOCALDIR/command_0"] in DIR
  input LOCALDIR/script 0700
    #!/bin/sh -e
    true
  input LOCALDIR/command_0 0700, sensitive
    A='hunter2' ` + vars + `ssh host LOCALDIR/script
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
		{"nothing", func(c *Config) {}, "", "is needed"},
		{"command and inline", func(c *Config) { c.Command, c.Inline = secret.Plain("x"), plain("y") }, "command", "beside"},
		{"missing", func(c *Config) { c.Script = "none.sh" }, "script", "there is no file none.sh"},
		{"not executable", func(c *Config) { c.Script = "c.sh" }, "script", "is not executable"},
		{"system", func(c *Config) { c.Inline, c.OnlyOn = plain("x"), []string{"beos"} }, "only_on", `"beos" is none of`},
		{"secret argument", func(c *Config) {
			c.Inline, c.ExecuteCommand = plain("x"), []secret.String{secret.Plain("env"), secret.Sensitive("A=hunter2"), secret.Plain("{{.Script}}")}
		}, "execute_command", "sensitive value on a command line"},
		{"late argument", func(c *Config) {
			c.Inline, c.ExecuteCommand = plain("x"), plain("env", "A="+op.Token("build.Password"), "{{.Script}}")
		}, "execute_command", "sensitive value on a command line"},
		{"template", func(c *Config) { c.Inline, c.ExecuteCommand = plain("x"), plain("sh", "{{.Nope") }, "execute_command", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			provisionertest.Refuses(t, config(tt.change), dir, tt.option, tt.want)
		})
	}
}

// The content of a script that runs where it is counts, and its folder not.
func TestKey(t *testing.T) {
	t.Parallel()
	hash := func(dir string) string {
		ops, err := config(func(c *Config) { c.Script = "a.sh" }).Lower(provisionertest.Input(dir))
		if err != nil {
			t.Fatal(err)
		}
		return string(op.Hash(ops))
	}
	one, two := folder(t), folder(t)
	if hash(one) != hash(two) {
		t.Error("the key depends on the folder")
	}
	if err := os.WriteFile(filepath.Join(two, "a.sh"), []byte("#!/bin/sh\necho b\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if hash(one) == hash(two) {
		t.Error("the key does not depend on the script")
	}
}
