package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/google/renameio/v2"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/rogpeppe/go-internal/diff"
	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/lang"
)

type fmtFlags struct {
	*program
	check, diff, write, recursive bool
}

func newFmtCommand(p *program) *cobra.Command {
	f := fmtFlags{program: p}
	cmd := &cobra.Command{
		Use:   "fmt [flags] [TEMPLATE…]",
		Short: "Rewrite templates in the canonical form",
		Long: `Fmt indents and aligns the files of a template, and of variables, and prints
the names of those that it changed. It looks at *.pkr.hcl, *.pkrvars.hcl and
*.ingot.hcl in the folders that are named, and at the files that are; JSON stays
as it is. What "-" names is standard input, and goes to standard output.

With -check it changes nothing, and exits with 3 where it would.`,
		Example: `  ingot fmt .
  ingot fmt -check -diff -recursive .
  ingot fmt - <web.pkr.hcl`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				path, err := f.template(cmd, args)
				if err != nil {
					return err
				}
				args = []string{path}
			}
			return f.run(cmd, args)
		},
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.check, "check", false, "write nothing, exit with 3 where a file is not in the canonical form")
	fl.BoolVar(&f.diff, "diff", false, "show what changes")
	fl.BoolVar(&f.write, "write", true, "write the files")
	fl.BoolVar(&f.recursive, "recursive", false, "look into the folders in folders too")
	inertShared(cmd)
	inertValues(cmd, "HCL is formatted", "config-type")
	cmd.ValidArgsFunction = func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return []string{"hcl"}, cobra.ShellCompDirectiveFilterFileExt
	}
	return cmd
}

// run formats all files, also where some can't be.
func (f *fmtFlags) run(cmd *cobra.Command, paths []string) error {
	changed, failed := false, false
	note := func(c bool, err error) {
		changed = changed || c
		failed = failed || err != nil
		var code exitCode
		if err != nil && !errors.As(err, &code) {
			reportError(cmd.ErrOrStderr(), err)
		}
	}
	for _, path := range paths {
		if path == "-" {
			note(f.stdin(cmd))
			continue
		}
		files, err := f.files(path)
		note(false, err)
		for _, name := range files {
			note(f.file(cmd, name))
		}
	}
	switch {
	case failed:
		return exitCode(exitError)
	case f.check && changed:
		return exitCode(exitFormat)
	}
	return nil
}

// formatted reports whether a file of this name is formatted.
func formatted(name string) bool {
	for _, ending := range []string{".pkr.hcl", ".pkrvars.hcl", ".ingot.hcl"} {
		if strings.HasSuffix(name, ending) {
			return true
		}
	}
	return false
}

// files are the files that path names: itself, or those of a folder.
func (f *fmtFlags) files(path string) ([]string, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !st.IsDir() {
		if !formatted(path) {
			return nil, builders.WithHint(fmt.Errorf("%s is not a file that is formatted", path), "the names end in .pkr.hcl, .pkrvars.hcl or .ingot.hcl")
		}
		return []string{path}, nil
	}
	var out []string
	err = filepath.WalkDir(path, func(name string, e fs.DirEntry, err error) error {
		base := filepath.Base(name)
		hidden := strings.HasPrefix(base, ".") || strings.HasSuffix(base, "~") || strings.HasPrefix(base, "#")
		switch {
		case err != nil:
			return err
		case name == path:
			return nil
		case e.IsDir() && (hidden || !f.recursive):
			return fs.SkipDir
		case !e.IsDir() && !hidden && formatted(base):
			out = append(out, name)
		}
		return nil
	})
	return out, err
}

// file formats one file. It reports whether the file is, or was, in another
// form.
func (f *fmtFlags) file(cmd *cobra.Command, name string) (bool, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return false, err
	}
	out, err := f.format(cmd, src, name)
	if err != nil || bytes.Equal(src, out) {
		return false, err
	}
	fmt.Fprintln(cmd.OutOrStdout(), name)
	if f.diff {
		_, _ = cmd.OutOrStdout().Write(changes("old/"+name, src, "new/"+name, out))
	}
	if f.check || !f.write {
		return true, nil
	}
	return true, replace(name, out)
}

var hunk = regexp.MustCompile(`(?m)^@@ .* @@$`)

// changes shows what is new as `diff -u` does, which Packer runs.
func changes(oldName string, old []byte, newName string, new []byte) []byte {
	_, out, _ := bytes.Cut(diff.Diff(oldName, old, newName, new), []byte("\n"))
	return hunk.ReplaceAllFunc(out, func(h []byte) []byte { return bytes.ReplaceAll(h, []byte(",1 "), []byte(" ")) })
}

// stdin formats standard input.
func (f *fmtFlags) stdin(cmd *cobra.Command) (bool, error) {
	src, err := io.ReadAll(cmd.InOrStdin())
	if err != nil {
		return false, err
	}
	out, err := f.format(cmd, src, "standard input")
	if err != nil {
		return false, err
	}
	changed := !bytes.Equal(src, out)
	if changed && f.diff {
		_, _ = cmd.OutOrStdout().Write(changes("old", src, "new", out))
		return true, nil
	}
	if !f.check && f.write {
		_, err = cmd.OutOrStdout().Write(out)
	}
	return changed, err
}

// format returns a text in its canonical form. A text that can't be read is
// reported with its place.
func (f *fmtFlags) format(cmd *cobra.Command, src []byte, name string) ([]byte, error) {
	file, diags := lang.Parse(name, src)
	if diags.HasErrors() {
		return nil, writeDiags(cmd.ErrOrStderr(), map[string]*hcl.File{name: file}, diags, nil, f.colorful(true, cmd.ErrOrStderr()))
	}
	return hclwrite.Format(src), nil
}

// replace replaces a file's content at once; its mode stays.
func replace(name string, content []byte) error {
	name, err := filepath.EvalSymlinks(name)
	if err != nil {
		return err
	}
	return renameio.WriteFile(name, content, 0o644, renameio.WithExistingPermissions())
}
