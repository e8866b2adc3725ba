package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/ingot-build/ingot/internal/ui"
)

// prepare readies what all commands share, when the flags are known.
func (p *program) prepare(cmd *cobra.Command, _ []string) error {
	p.log.flags(cmd)
	if p.machineReadable {
		m := ui.MachineReadable(ui.Options{Out: os.Stdout})
		root := cmd.Root()
		root.SetOut(saying{m, "say"})
		root.SetErr(saying{m, "error"})
	}
	return nil
}

// saying writes each text that is written at once as one machine-readable line.
type saying struct {
	lines *ui.Machine
	kind  string
}

func (s saying) Write(p []byte) (int, error) {
	s.lines.Record(time.Now(), "", "ui", s.kind, strings.TrimSuffix(string(p), "\n"))
	return len(p), s.lines.Close()
}

// record writes a line that only programs read.
func (p *program) record(name string, data ...string) error {
	if !p.machineReadable {
		return nil
	}
	m := ui.MachineReadable(ui.Options{Out: os.Stdout})
	m.Record(time.Now(), "", name, data...)
	return m.Close()
}

// diagnostics is where what is wrong with a template is written.
func (p *program) diagnostics(cmd *cobra.Command) io.Writer {
	if p.machineReadable {
		return cmd.ErrOrStderr()
	}
	return cmd.OutOrStdout()
}

// colorful decides on colours on w.
func (p *program) colorful(flag bool, w io.Writer) bool {
	return !p.machineReadable && colorful(flag, w)
}

// colorful decides on colours: the flag, then NO_COLOR, then whether w is a
// terminal.
func colorful(flag bool, w io.Writer) bool {
	return flag && colourAllowed() && os.Getenv("TERM") != "dumb" && isTerminal(w)
}

func colourAllowed() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("PACKER_NO_COLOR") == "" }

func isTerminal(w any) bool {
	f, ok := w.(interface{ Fd() uintptr })
	return ok && term.IsTerminal(int(f.Fd()))
}

// guarded is a terminal, to which templates and registries say nothing but text.
type guarded struct{ file *os.File }

// output is the file, guarded where it is a terminal.
func output(f *os.File) io.Writer {
	if isTerminal(f) {
		return guarded{f}
	}
	return f
}

func (g guarded) Fd() uintptr { return g.file.Fd() }

func (g guarded) Write(p []byte) (int, error) {
	if _, err := g.file.WriteString(ui.Printable(string(p))); err != nil {
		return 0, err
	}
	return len(p), nil
}

// template is the template argument; without one, the working directory.
func (p *program) template(cmd *cobra.Command, args []string) (string, error) {
	switch {
	case len(args) > 0:
		return args[0], nil
	case p.templateNeeded:
		fmt.Fprint(cmd.OutOrStdout(), cmd.UsageString())
		return "", exitCode(exitError)
	}
	return ".", nil
}
