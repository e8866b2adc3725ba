package expect

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners/provisionertest"
)

// nasty are texts that a careless script would run, or fall over.
var nasty = []string{
	"'", `"`, "`touch $T`", "$(touch $T)", "'; touch $T; '", `\`, `\n`, `a\`, "-n", "-e", "--", "-f", "%s%n%d", "*", "?", "[a-z]", "~", "!", "#x", "a b  c", " a ", "é☃",
	"$HOME", "${HOME}", "$((1+1))", "&& touch $T", "|touch $T", ">$T", "a\tb", "\x01", "END", "EOF", `'"'"'`, "\\'", "a;b", "(", ")", "{", "}", "<", "&", "$'x'", "//", "/[/",
}

// TestNasty gives such texts to everything that takes any.
func TestNasty(t *testing.T) {
	t.Parallel()
	inShells(t, func(t *testing.T, shell []string) {
		dir := t.TempDir()
		touched := filepath.Join(dir, "touched")
		c := config(func(*Config) {})
		for i, text := range nasty {
			text = strings.ReplaceAll(text, "$T", touched)
			name := filepath.Join(dir, fmt.Sprintf("%d", i)+strings.ReplaceAll(text, "/", "_"))
			if err := os.WriteFile(name, []byte("a line\n"+text+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			text = strings.TrimPrefix(text, "/") // else it is a regular expression
			of := secret.Plain(text)
			if i%2 == 1 {
				of = secret.Sensitive(text)
			}
			c.File = append(c.File, File{File: name, Contains: []secret.String{of}})
			c.Command = append(c.Command, Command{Command: text, Exec: secret.Plain("cat " + quote(name)), Stdout: []secret.String{of}})
			c.Process = append(c.Process, Process{Process: text, Running: &no})
			c.Mount = append(c.Mount, Mount{Mount: "/x" + text, Exists: &no})
		}
		cases := look(t, shell, c)
		for _, one := range cases {
			if !one.Passed {
				t.Errorf("%s: %s", one.Name, one.Detail)
			}
		}
		if _, err := os.Stat(touched); err == nil {
			t.Error("a text was run")
		}
	})
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// FuzzText gives any text to what takes texts: it is found in a file that has
// it, and is not run.
func FuzzText(f *testing.F) {
	for _, text := range nasty {
		f.Add(text, false)
		f.Add(text, true)
	}
	f.Fuzz(func(t *testing.T, text string, sensitive bool) {
		of := secret.Plain(text)
		if sensitive {
			of = secret.Sensitive(text)
		}
		c := config(func(c *Config) {
			c.Command = []Command{{Command: "x", Exec: of, Stdout: []secret.String{of}}}
		})
		ops, err := c.Lower(provisionertest.Input("/dir"))
		if err != nil {
			return // it is refused
		}
		run := ops[0].(*op.Capture).Run
		if sensitive && len(text) > 20 && strings.Contains(run.Argv[2], text) {
			t.Error("a secret is on the command line")
		}
		// What follows the functions must read as one command a line.
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if out, err := exec.CommandContext(ctx, "sh", "-n", "-c", run.Argv[2]).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
}
