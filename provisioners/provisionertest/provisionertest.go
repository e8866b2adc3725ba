// Package provisionertest is what tests of provisioners share: an input, and
// ops as text.
package provisionertest

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
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

// Files returns a folder with files, by their names in it.
func Files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
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

// Print returns ops as text, with the content of their files.
func Print(t *testing.T, ops []op.Op, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, o := range ops {
		printOp(t, &b, o)
	}
	return strings.NewReplacer(dir, "DIR", op.Token(op.Scratch), "SCRATCH", op.Token(op.LocalDir), "LOCALDIR",
		op.Token(op.Attachments), "ATTACHMENTS",
		op.Token(op.LocalID), "LOCALID").Replace(tokens.ReplaceAllString(b.String(), "<$1>"))
}

// tokens are those of a connection, and those that are made fit for quotes.
var tokens = regexp.MustCompile("\u27e6ingot:(conn[.][a-z]+|(?:quoted|backtick)[.][A-Za-z.]+)\u27e7")

func printOp(t *testing.T, b *strings.Builder, o op.Op) {
	switch o := o.(type) {
	case *op.Exec:
		if o.Cmd != "" {
			fmt.Fprintf(b, "cmd %s\n", o.Cmd)
		} else {
			fmt.Fprintf(b, "exec %q\n", o.Argv)
		}
		printEnv(b, o.Env)
		printFiles(t, b, "input", o.Inputs)
		if o.Disconnect {
			b.WriteString("  may disconnect\n")
		}
		printRest(b, o.OK)
		if o.StartRetry > 0 {
			fmt.Fprintf(b, "  start within %s\n", o.StartRetry)
		}
	case *op.Reboot:
		fmt.Fprintf(b, "reboot %s, within %s\n", o.Cmd, o.Within)
		for _, c := range o.Checks {
			fmt.Fprintf(b, "  check %s\n", c)
		}
		printRest(b, o.OK)
	case *op.Local:
		fmt.Fprintf(b, "local %q in %s\n", o.Argv, o.Dir)
		printEnv(b, o.Env)
		printFiles(t, b, "input", o.Inputs)
		for _, r := range o.Reads {
			fmt.Fprintf(b, "  reads %s %.12s\n", r.Name, r.Digest)
		}
		for _, t := range o.Trees {
			fmt.Fprintf(b, "  reads folder %s\n", t.Name)
			for _, e := range t.Entries {
				fmt.Fprintf(b, "    %s %.12s\n", e.Name, e.Digest)
			}
		}
		printConnection(b, o)
		printRest(b, o.OK)
	case *op.Put:
		b.WriteString("put\n")
		printFiles(t, b, "file", []op.File{o.File})
	case *op.Tree:
		fmt.Fprintf(b, "tree %s from %s, %d bytes\n", o.Dir, o.Name, o.Size)
		for _, e := range o.Entries {
			fmt.Fprintf(b, "  %s %.12s\n", filepath.ToSlash(e.Name), e.Digest)
		}
	case *op.Capture:
		printOp(t, b, o.Run)
		fmt.Fprintf(b, "  captured in %s\n", o.Local)
	case *op.Get:
		fmt.Fprintf(b, "get %s to %s\n", o.Path, o.Local)
	case *op.Pause:
		fmt.Fprintf(b, "pause %s %q\n", o.For, o.Prompt)
	}
}

func printConnection(b *strings.Builder, o *op.Local) {
	if o.Title != "" {
		fmt.Fprintf(b, "  called %s\n", o.Title)
	}
	if len(o.Needs) > 0 {
		fmt.Fprintf(b, "  needs %s\n", strings.Join(o.Needs, ", "))
	}
	if o.KeepInputs {
		fmt.Fprintln(b, "  keeps its inputs")
	}
	if c := o.Connection; c != nil {
		fmt.Fprintf(b, "  connected: %s, user %q, proxy %+v\n", c.Route, c.User, c.Proxy)
	}
}

func printEnv(b *strings.Builder, env map[string]secret.String) {
	for _, name := range slices.Sorted(maps.Keys(env)) {
		fmt.Fprintf(b, "  %s=%s\n", name, env[name])
	}
}

func printFiles(t *testing.T, b *strings.Builder, what string, files []op.File) {
	for _, f := range files {
		fmt.Fprintf(b, "  %s %s %04o", what, f.Path, f.Perm())
		if f.Blob.Name != "" {
			fmt.Fprintf(b, " from %s", f.Blob.Name)
		}
		if op.IsLate([]op.Op{&op.Put{File: f}}) {
			b.WriteString(", late\n")
			continue
		}
		if f.Blob.Sensitive() {
			b.WriteString(", sensitive")
		}
		fmt.Fprintf(b, "\n    %s\n", strings.ReplaceAll(strings.TrimSuffix(Content(t, f.Blob), "\n"), "\n", "\n    "))
	}
}

func printRest(b *strings.Builder, ok []int) {
	if len(ok) > 0 {
		fmt.Fprintf(b, "  ok %v\n", ok)
	}
}

// Content reads a blob.
func Content(t *testing.T, blob op.Blob) string {
	t.Helper()
	r, err := blob.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
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
