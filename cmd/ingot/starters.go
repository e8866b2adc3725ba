package main

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/templates"
)

// empty reports whether a folder has nothing but hidden files.
func empty(dir string) bool {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), ".") {
			return false
		}
	}
	return true
}

// start writes a template to start with into a folder, and says what to do
// with it.
func (p *program) start(cmd *cobra.Command, s templates.Starter, folder string) error {
	files, err := s.Files()
	if err != nil {
		return err
	}
	names, err := starterFiles(files, folder)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := writeStarterFile(files, name, folder); err != nil {
			return err
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s\n", filepath.Join(folder, name))
	}
	return p.nextCommands(cmd.OutOrStdout(), s, folder)
}

// starterFiles lists the files, none of which may be there.
func starterFiles(files fs.FS, folder string) ([]string, error) {
	var names []string
	err := fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		path := filepath.Join(folder, filepath.FromSlash(name))
		if _, err := os.Lstat(path); err == nil {
			return builders.WithHint(fmt.Errorf("%s is there already: nothing was written", path), "name another folder")
		}
		names = append(names, name)
		return nil
	})
	return names, err
}

func writeStarterFile(files fs.FS, name, folder string) error {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	path := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	mode := fs.FileMode(0o644)
	if strings.HasSuffix(name, ".sh") {
		mode = 0o755
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}

func (p *program) nextCommands(w io.Writer, s templates.Starter, folder string) error {
	vars := ""
	for _, v := range s.Vars {
		vars += " -var " + v
	}
	var out strings.Builder
	fmt.Fprintf(&out, "\nNext:\n  %s validate %s\n", p.name, folder)
	if s.Sandbox {
		fmt.Fprintf(&out, "  %s build -sandbox %s   # on this host, with no account; as root\n", p.name, folder)
	}
	fmt.Fprintf(&out, "  %s build%s %s   # needs %s\n", p.name, vars, folder, s.Needs)
	_, err := io.WriteString(w, out.String())
	return err
}
