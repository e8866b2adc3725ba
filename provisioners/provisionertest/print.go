package provisionertest

import (
	"fmt"
	"io"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

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
