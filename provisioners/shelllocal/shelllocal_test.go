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
	dir := provisionertest.Files(t, map[string]string{"a.sh": "#!/bin/sh\necho a\n", "b.sh": "echo b\n", "c.sh": "#!/bin/sh\n"})
	if err := os.Chmod(filepath.Join(dir, "a.sh"), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

func config(change func(*Config)) *Config {
	return provisionertest.Config(Definition().New, change)
}

func TestLower(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"inline": func(c *Config) {
			c.Inline, c.ValidExitCodes, c.TempfileExtension = provisionertest.Plain("echo a", "echo b"), []int{7}, ".sh"
			c.Env = map[string]secret.String{"T": secret.Sensitive("hunter2")}
		},
		"command":                    func(c *Config) { c.Command, c.InlineShebang = secret.Sensitive("login hunter2"), "/bin/bash" },
		"scripts run where they are": func(c *Config) { c.Scripts = []string{"a.sh", "./b.sh"} },
		"only here":                  func(c *Config) { c.Script, c.OnlyOn = "a.sh", []string{"windows", runtime.GOOS} },
		"only elsewhere":             func(c *Config) { c.Script, c.OnlyOn = "a.sh", []string{"windows"} },
		"the default command written out": func(c *Config) {
			c.Script, c.ExecuteCommand = "a.sh", provisionertest.Plain("/bin/sh", "-c", "{{ .Vars }} {{ .Script }}")
		},
		"execute_command": func(c *Config) {
			c.Script, c.ExecuteCommand = "c.sh", provisionertest.Plain("/bin/bash", "-x", "{{.Script}}")
		},
		"execute_command of one element": func(c *Config) {
			c.Script, c.ExecuteCommand = "a.sh", provisionertest.Plain("{{.Vars}}bash {{.Script}}")
		},
		"env_var_format": func(c *Config) {
			c.Script, c.EnvVarFormat = "a.sh", "%s=%s "
		},
		"execute_command with sensitive variables": func(c *Config) {
			c.Inline, c.ExecuteCommand = provisionertest.Plain("true"), provisionertest.Plain("/bin/bash", "-c", "{{.Vars}}ssh host {{.Script}}")
			c.EnvironmentVars = []secret.String{secret.Sensitive("A=hunter2")}
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
		{"nothing", func(c *Config) {}, "", "is needed"},
		{"command and inline", func(c *Config) { c.Command, c.Inline = secret.Plain("x"), provisionertest.Plain("y") }, "command", "beside"},
		{"missing", func(c *Config) { c.Script = "none.sh" }, "script", "there is no file none.sh"},
		{"not executable", func(c *Config) { c.Script = "c.sh" }, "script", "is not executable"},
		{"system", func(c *Config) { c.Inline, c.OnlyOn = provisionertest.Plain("x"), []string{"beos"} }, "only_on", `"beos" is none of`},
		{"secret argument", func(c *Config) {
			c.Inline, c.ExecuteCommand = provisionertest.Plain("x"), []secret.String{secret.Plain("env"), secret.Sensitive("A=hunter2"), secret.Plain("{{.Script}}")}
		}, "execute_command", "sensitive value on a command line"},
		{"late argument", func(c *Config) {
			c.Inline, c.ExecuteCommand = provisionertest.Plain("x"), provisionertest.Plain("env", "A="+op.Token("build.Password"), "{{.Script}}")
		}, "execute_command", "sensitive value on a command line"},
		{"template", func(c *Config) {
			c.Inline, c.ExecuteCommand = provisionertest.Plain("x"), provisionertest.Plain("sh", "{{.Nope")
		}, "execute_command", ""},
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
