package expect

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// TestAPK reads the database of Alpine's packages.
func TestAPK(t *testing.T) {
	t.Parallel()
	db := filepath.Join(t.TempDir(), "installed")
	if err := os.WriteFile(db, []byte("C:Q1x=\nP:busybox\nV:1.36.1-r29\nA:x86_64\n\nC:Q1y=\nP:busybox-binsh\nV:1.36.1-r30\n\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	inShells(t, func(t *testing.T, shell []string) {
		for name, want := range map[string]string{"busybox": "1.36.1-r29", "busybox-binsh": "1.36.1-r30", "busy": "", "musl": ""} {
			script := functions + "versions=''\napk_version \"$1\" \"$2\"\nprintf %s \"$versions\"\n"
			out, err := exec.Command(shell[0], append(slices.Clone(shell[1:]), "-c", script, "sh", db, name)...).CombinedOutput()
			if err != nil || string(out) != want {
				t.Errorf("%s: %q, %v", name, out, err)
			}
		}
	})
}

// TestCases reads what a script printed, also where it was cut or is not ours.
func TestCases(t *testing.T) {
	t.Parallel()
	names := []string{"a", "b"}
	got, err := parse(strings.NewReader("welcome\nexpect\t1\nok\t1\nnot\t2\tx\xff y\nok\t9\nend\t2\n"), names)
	if err != nil || text(got) != "+ a\n- b: x? y\n" {
		t.Errorf("%s, %v", text(got), err)
	}
	for _, cut := range []string{"", "expect\t1\nok\t1\n", "expect\t1\nend\t1\n"} {
		if _, err := parse(strings.NewReader(cut), names); err == nil {
			t.Errorf("%q is taken", cut)
		}
	}
}

// TestRefused are options that no machine is asked about.
func TestRefused(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*Config){
		"it expects nothing":                              func(*Config) {},
		"within: is below zero":                           func(c *Config) { c.Within = -1 },
		`port: "tcp:0" is no port`:                        func(c *Config) { c.Port = []Port{{Port: "tcp:0"}} },
		`port[1]: "sctp:1" is no port`:                    func(c *Config) { c.Port = []Port{{Port: "1"}, {Port: "sctp:1"}} },
		`port.addresses: "x" is no address`:               func(c *Config) { c.Port = []Port{{Port: "1", Addresses: []string{"x"}}} },
		`package: "-x" is no name`:                        func(c *Config) { c.Package = []Package{{Package: "-x"}} },
		"package.versions: is set for":                    func(c *Config) { c.Package = []Package{{Package: "x", Installed: &no, Versions: texts("1")}} },
		`file: "etc" is no absolute path`:                 func(c *Config) { c.File = []File{{File: "etc"}} },
		`file.mode: "99" is no mode`:                      func(c *Config) { c.File = []File{{File: "/a", Mode: "99"}} },
		`file.sha256: "x" is no SHA-256`:                  func(c *Config) { c.File = []File{{File: "/a", Sha256: "x"}} },
		`file.filetype: "folder" is none of`:              func(c *Config) { c.File = []File{{File: "/a", Filetype: "folder"}} },
		"file.exists: is false, and more":                 func(c *Config) { c.File = []File{{File: "/a", Exists: &no, Mode: "644"}} },
		"file.contains: each text is looked for":          func(c *Config) { c.File = []File{{File: "/a", Contains: texts("a\nb")}} },
		`file.owner: "a:b" is no name`:                    func(c *Config) { c.File = []File{{File: "/a", Owner: "a:b"}} },
		"command: there is nothing to run":                func(c *Config) { c.Command = []Command{{Command: " "}} },
		"command.exec: holds a zero byte":                 func(c *Config) { c.Command = []Command{{Command: "a\x00b"}} },
		"command.stdout: a regular expression is matched": func(c *Config) { c.Command = []Command{{Command: "x", Stdout: texts("/a\nb/")}} },
		"command.exit_status: 300 is none":                func(c *Config) { c.Command = []Command{{Command: "x", ExitStatus: 300}} },
		`service: "a b" is no name`:                       func(c *Config) { c.Service = []Service{{Service: "a b"}} },
		`kernel_param: "../x" is no name`:                 func(c *Config) { c.KernelParam = []KernelParam{{"../x", "1"}} },
		`run_as: "a b" is no name`:                        func(c *Config) { c.RunAs = "a b" },
		`file.contains: /[a/ is no extended regular expression: missing closing ] [a`:          func(c *Config) { c.File = []File{{File: "/a", Contains: texts("/[a/")}} },
		`command.stdout: /v\d+/ is no extended regular expression: invalid escape sequence \d`: func(c *Config) { c.Command = []Command{{Command: "x", Stdout: texts("/v\\d+/")}} },
		`package.versions: /(1/ is no extended`:                                                func(c *Config) { c.Package = []Package{{Package: "x", Versions: texts("/(1/")}} },
		`user: "a b" is no name`:                                                               func(c *Config) { c.Account = []Account{{Name: "a b"}} },
		`mount: "proc" is no absolute path`:                                                    func(c *Config) { c.Mount = []Mount{{Mount: "proc"}} },
	} {
		if _, err := config(change).Lower(provisionertest.Input("/dir")); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("error %v, want %s", err, want)
		}
	}
}

// TestSecrets: none is on a command line or in the name of a case, and another
// one is another key.
func TestSecrets(t *testing.T) {
	t.Parallel()
	hash := func(value secret.String) string {
		c := config(func(c *Config) {
			c.Start = []secret.String{value}
			c.Package = []Package{{Package: "bash", Versions: []secret.String{value}}}
			c.File = []File{{File: "/a", Contains: []secret.String{value}}}
			c.Command = []Command{{Command: "x", Exec: value, Stdout: []secret.String{value}, Stderr: []secret.String{value}}}
		})
		ops, err := c.Lower(provisionertest.Input("/dir"))
		if err != nil {
			t.Fatal(err)
		}
		run := ops[0].(*op.Capture).Run
		s, err := c.script()
		if err != nil {
			t.Fatal(err)
		}
		for _, seen := range append(s.names, run.Argv...) {
			if strings.Contains(seen, "hunter") {
				t.Errorf("a secret is in %q", seen)
			}
		}
		if len(run.Env) != 6 {
			t.Errorf("environment: %v", run.Env)
		}
		return string(op.Hash(ops))
	}
	if hash(secret.Sensitive("hunter2")) == hash(secret.Sensitive("hunter3")) {
		t.Error("what is expected does not count in the key")
	}
}

// TestPatterns are regular expressions that grep takes, in one way or another.
func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, text := range []string{`/^v[0-9]+\.[0-9]+$/`, `/\w+\s\bx\>/`, `/(a)\1/`, `/[\d]/`, `/[^]\]/`, `/[[:alpha:]\]+/`, `/a{2,3}|()/`, "//", "/", `\d(`, `/\\w\//`} {
		if err := patterns("contains", texts(text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := patterns("contains", []secret.String{secret.Sensitive("/(hunter2/")}); err == nil || strings.Contains(err.Error(), "hunter") {
		t.Errorf("error %v", err)
	}
}
