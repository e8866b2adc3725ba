package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"
)

// consoleInput names what is typed in diagnostics.
const consoleInput = "<console-input>"

type consoleFlags struct {
	templateFlags
	evaluate bool
}

func newConsoleCommand(p *program) *cobra.Command {
	f := consoleFlags{templateFlags: templateFlags{program: p, valueless: true}}
	cmd := &cobra.Command{
		Use:   "console [flags] [TEMPLATE]",
		Short: "Try expressions",
		Long: `Console evaluates expressions, a line each, with the functions, variables and
locals of a template; without a template, with those of the working directory,
if it has one. An error does not end it. Type "variables" for what there is,
"help" for help, and "exit" or Ctrl-D to leave; the tab key completes names.

Lines may be piped in: each result is printed, and the exit code is 1 if there
was an error. Data sources are <unknown>, unless -evaluate-datasources is given.`,
		Example: `  ingot console .
  ingot console -var release=1.4 web.pkr.hcl
  echo 'upper(var.name)' | ingot console .`,
		Args: oneTemplate,
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args) },
	}
	f.add(cmd)
	inertValues(cmd, noBuilds, "only", "except")
	cmd.Flags().BoolVar(&f.evaluate, "evaluate-datasources", false, "read the data sources")
	return cmd
}

func (f *consoleFlags) run(cmd *cobra.Command, args []string) error {
	f.unread = !f.evaluate
	path := ""
	if len(args) > 0 {
		path = args[0]
	} else if hasTemplate(".") {
		path = "."
	}
	color := f.colorful(true, cmd.ErrOrStderr())
	if f.inspectTolerant {
		if err := f.checkOutline(cmd, path, color); err != nil {
			return err
		}
	}
	ws, diags, err := f.open(cmd, path, uuid.NewString())
	if err != nil {
		return err
	}
	if ws.template == nil || !f.inspectTolerant {
		if err := ws.report(cmd.ErrOrStderr(), diags, color); ws.template == nil {
			return err
		}
	}
	c := &console{ws: ws, out: cmd.OutOrStdout(), errs: cmd.ErrOrStderr(), color: color, lastOnly: f.lastResultOnly}
	if in, ok := cmd.InOrStdin().(*os.File); ok && isTerminal(in) && isTerminal(os.Stdout) {
		return c.interactive(in, os.Stdout)
	}
	return c.piped(cmd.InOrStdin())
}

// hasTemplate reports whether a folder has files of a template.
func hasTemplate(dir string) bool {
	for _, pattern := range []string{"*.pkr.hcl", "*.pkr.json", "*.ingot.hcl"} {
		if found, _ := filepath.Glob(filepath.Join(dir, pattern)); len(found) > 0 {
			return true
		}
	}
	return false
}

// console evaluates lines.
type console struct {
	ws        *workspace
	out, errs io.Writer
	color     bool
	lastOnly  bool // print the last result only
}

// piped evaluates the lines of in.
func (c *console) piped(in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, 10<<20)
	var last string
	var failed error
	for lines.Scan() {
		text, exit, diags := c.answer(lines.Text())
		if exit {
			break
		}
		if err := c.ws.report(c.errs, diags, c.color); err != nil {
			failed = err
		}
		if last = text; !c.lastOnly && text != "" {
			fmt.Fprintln(c.out, text)
		}
	}
	if c.lastOnly {
		fmt.Fprintln(c.out, last)
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("standard input: %w", err)
	}
	return failed
}

const consoleHelp = `Type an expression to see its value: upper("x"), var.name, local.name,
[for k, v in var.tags : "${k}=${v}"]. Names of templates and data.TYPE.NAME can
be used as there; build.* and source.* are known in builds only.

  variables   the variables and locals with their values
  help        this
  exit        leave; so does Ctrl-D`

// answer returns what a line is answered with, and whether it ends the
// console.
func (c *console) answer(line string) (text string, exit bool, diags hcl.Diagnostics) {
	switch line = strings.TrimSpace(line); line {
	case "":
		return "", false, nil
	case "exit":
		return "", true, nil
	case "help":
		return consoleHelp, false, nil
	case "variables":
		return c.redact(variablesOf(c.ws.template).values()), false, nil
	}
	v, diags := c.ws.template.Evaluate(line, consoleInput)
	if diags.HasErrors() {
		return "", false, diags
	}
	return c.redact(valueText(v)), false, diags
}

func (c *console) redact(text string) string {
	return strings.TrimRight(c.ws.host.Secrets.Redact(text), "\n")
}
