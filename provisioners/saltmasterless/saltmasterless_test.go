package saltmasterless

import (
	"testing"

	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// folder holds the states of the tests.
func folder(t *testing.T) string {
	t.Helper()
	return provisionertest.Files(t, map[string]string{
		"states/top.sls": "base: {}\n", "states/.git/HEAD": "x\n", "states/web/.git/HEAD": "x\n", "states/web/init.sls": "{}\n",
		"pillar/top.sls": "base: {}\n", "minion": "id: web\n", "grains": "role: web\n",
	})
}

func config(change func(*Config)) *Config {
	c := Definition().New().(*Config)
	c.LocalStateTree = "states"
	change(c)
	return c
}

func TestLower(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*Config){
		"least": func(*Config) {},
		"most": func(c *Config) {
			c.LocalPillarRoots, c.RemoteStateTree, c.RemotePillarRoots = "pillar", "/opt/it's/salt", "/opt/pillar"
			c.GrainsFile, c.CustomState, c.LogLevel, c.SaltBinDir = "grains", "web,db", "debug", "/opt/salt/bin"
			c.BootstrapArgs, c.SaltCallArgs = secret.Plain("-x python3 stable 3006"), secret.Plain("--state-output=mixed")
			c.Formulas = []string{"git::https://example.com/vault-formula.git//vault?ref=v1.2.3", "github.com/x/nginx.git//nginx"}
		},
		"minion": func(c *Config) {
			c.MinionConfig, c.DisableSudo, c.SkipBootstrap, c.NoExitOnFailure = "minion", true, true, true
			c.TempConfigDir, c.SaltCallArgs = "/opt/stage", secret.Sensitive("pillar='{password: hunter2}'")
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
	for _, tt := range []struct {
		option, want string
		change       func(*Config)
	}{
		{"local_state_tree", "must not be empty", func(c *Config) { c.LocalStateTree = "" }},
		{"local_state_tree", `"minion" is a file`, func(c *Config) { c.LocalStateTree = "minion" }},
		{"local_pillar_roots", "there is no folder nowhere", func(c *Config) { c.LocalPillarRoots = "nowhere" }},
		{"minion_config", "there is no file nowhere", func(c *Config) { c.MinionConfig = "nowhere" }},
		{"grains_file", `"states" is a folder`, func(c *Config) { c.GrainsFile = "states" }},
		{"remote_state_tree", "beside minion_config", func(c *Config) { c.MinionConfig, c.RemoteStateTree = "minion", "/srv" }},
		{"remote_pillar_roots", "beside minion_config", func(c *Config) { c.MinionConfig, c.RemotePillarRoots = "minion", "/srv" }},
		{"formulas", "is not written as", func(c *Config) { c.Formulas = []string{"https://example.com/x.git"} }},
		{"formulas", `not "sshkey"`, func(c *Config) { c.Formulas = []string{"git::https://example.com/x.git//x?sshkey=1"} }},
		{"guest_os_type", "is not supported", func(c *Config) { c.GuestOSType = "windows" }},
	} {
		provisionertest.Refuses(t, config(tt.change), folder(t), tt.option, tt.want)
	}
}

func TestParseFormula(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]formula{
		"git::https://github.com/a/b.git//c?ref=v1&depth=1": {"https://github.com/a/b.git", "c", "v1"},
		"git::ssh://git@github.com/a/b.git//c":              {"ssh://git@github.com/a/b.git", "c", ""},
		"git@github.com:a/b.git//c_d-e?ref=main":            {"git@github.com:a/b.git", "c_d-e", "main"},
		"github.com/a/b.git//c":                             {"https://github.com/a/b.git", "c", ""},
		"git::file:///srv/b.git//c":                         {"file:///srv/b.git", "c", ""},
		"/srv/b.git//c":                                     {"/srv/b.git", "c", ""},
		"../b.git//c":                                       {"../b.git", "c", ""},
	} {
		if got, err := parseFormula(address); err != nil || got != want {
			t.Errorf("%s: got %+v, %v, want %+v", address, got, err, want)
		}
	}
}
