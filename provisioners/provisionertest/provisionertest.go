// Package provisionertest is what tests of provisioners share: an input, and
// ops as text.
package provisionertest

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"text/template"

	"github.com/google/go-cmp/cmp"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// Input is the input of a build "docker.web", whose files are in dir.
func Input(dir string) provisioners.Input {
	return provisioners.Input{BuildName: "web", BuilderType: "docker", Dir: dir, Index: 2, Render: Render}
}

// Config is a component's configuration with its defaults, and what change
// does to it: Config(Definition().New, func(c *Config) { … }).
func Config[P, C any](defaults func() P, change func(C)) C {
	c := any(defaults()).(C)
	change(c)
	return c
}

// Plain returns texts that are not sensitive.
func Plain(texts ...string) []secret.String {
	var out []secret.String
	for _, text := range texts {
		out = append(out, secret.Plain(text))
	}
	return out
}

// Files returns a folder with files, by their names in it.
func Files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// Render renders a Go template that has only the data.
func Render(text string, data map[string]string) (string, error) {
	t, err := template.New("").Option("missingkey=error").Parse(text)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = t.Execute(&out, data)
	return out.String(), err
}

// Lowers checks what a provisioner lowers to, as Print prints it, two times:
// it must be the same. Dir in the text is written DIR.
func Lowers(t *testing.T, p provisioners.Provisioner, dir, want string) []op.Op {
	t.Helper()
	return lowers(t, p, Input(dir), want)
}

func lowers(t *testing.T, p provisioners.Provisioner, in provisioners.Input, want string) []op.Op {
	t.Helper()
	dir := in.Dir
	ops, err := p.Lower(in)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.TrimLeft(want, "\n"), Print(t, ops, dir)); diff != "" {
		t.Errorf("lowered to (-want +got):\n%s", diff)
	}
	again, err := p.Lower(in)
	if err != nil || op.Hash(again) != op.Hash(ops) {
		t.Errorf("lowering again gives other ops (%v):\n%s", err, Print(t, again, dir))
	}
	for _, o := range ops {
		noSecretArgument(t, o)
	}
	return ops
}

// Secret is in the sensitive values of tests, and never in an argument.
const Secret = "hunter2"

func noSecretArgument(t *testing.T, o op.Op) {
	t.Helper()
	var argv []string
	switch o := o.(type) {
	case *op.Exec:
		argv = append([]string{o.Cmd}, o.Argv...)
	case *op.Reboot:
		argv = append([]string{o.Cmd}, o.Checks...)
	case *op.Local:
		argv = o.Argv
	}
	if strings.Contains(strings.Join(argv, " "), Secret) {
		t.Errorf("a secret is on a command line: %q", argv)
	}
}

// Refuses checks that a provisioner refuses its options with an OptionError
// about one of them, and the message, of which want is a part.
func Refuses(t *testing.T, p provisioners.Provisioner, dir, option, want string) {
	t.Helper()
	RefusesFor(t, p, Input(dir), option, want)
}

// RefusesFor is Refuses for another build.
func RefusesFor(t *testing.T, p provisioners.Provisioner, in provisioners.Input, option, want string) {
	t.Helper()
	_, err := p.Lower(in)
	var oe *component.OptionError
	if !errors.As(err, &oe) {
		t.Fatalf("no option error: %v", err)
	}
	if oe.Option != option || !strings.Contains(oe.Message, want) {
		t.Errorf("got %q: %q, want %q: %q", oe.Option, oe.Message, option, want)
	}
	if strings.Contains(err.Error()+oe.Advice, Secret) {
		t.Errorf("the error shows a secret: %v", err)
	}
}

// Golden is Lowers with the text in the file testdata/NAME.golden, which is
// named as the test is. With UPDATE in the environment it is written anew.
func Golden(t *testing.T, p provisioners.Provisioner, dir string) []op.Op {
	t.Helper()
	return GoldenFor(t, p, Input(dir))
}

// GoldenFor is Golden for another build.
func GoldenFor(t *testing.T, p provisioners.Provisioner, in provisioners.Input) []op.Op {
	t.Helper()
	_, name, _ := strings.Cut(t.Name(), "/")
	file := filepath.Join("testdata", name+".golden")
	if os.Getenv("UPDATE") != "" {
		ops, err := p.Lower(in)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(Print(t, ops, in.Dir)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return lowers(t, p, in, string(want))
}
