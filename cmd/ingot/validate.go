package main

import (
	"fmt"
	"runtime/debug"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

type validateFlags struct {
	templateFlags
	color, evaluate, syntaxOnly, noWarnings bool
}

func newValidateCommand(p *program) *cobra.Command {
	f := validateFlags{templateFlags: templateFlags{program: p}}
	cmd := &cobra.Command{
		Use:   "validate [flags] [TEMPLATE]",
		Short: "Check a template",
		Long: `Validate checks a template: its language, every option of every component,
and whether each builder can do what the provisioners ask. It touches neither
network nor machine. All errors are shown, with their places.

Data sources are checked and not read: what comes of them is taken as right.
With -evaluate-datasources they are read, and the template is checked with what
they say; the registry of -registry answers those about versions. With -syntax-only
nothing is evaluated.`,
		Example: `  ingot validate .
  ingot validate -var-file=prod.pkrvars.hcl web.pkr.hcl
  ingot validate -evaluate-datasources -registry=reg.example.com/images .
  ingot validate -syntax-only .`,
		Args: oneTemplate,
		RunE: f.run,
	}
	f.add(cmd)
	f.addSelection(cmd)
	f.addRegistry(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.syntaxOnly, "syntax-only", false, "check the syntax only")
	fl.BoolVar(&f.evaluate, "evaluate-datasources", false, "read the data sources too")
	fl.BoolVar(&f.noWarnings, "no-warn-undeclared-var", false, "do not warn of values in -var-file for variables that the template does not have")
	fl.BoolVar(&f.color, "color", true, "use colours on a terminal")
	return cmd
}

func (f *validateFlags) run(cmd *cobra.Command, args []string) error {
	path, err := f.template(cmd, args)
	if err != nil {
		return err
	}
	out, diagnostics := cmd.OutOrStdout(), f.diagnostics(cmd)
	color := f.colorful(f.color, out)
	if f.syntaxOnly {
		return f.syntax(cmd, path, color)
	}
	debug.SetGCPercent(400) // the process is short: a fifth of its work would be to save memory
	f.check, f.unread, f.undeclared = true, !f.evaluate, !f.noWarnings
	ws, err := f.load(cmd, path, uuid.NewString(), diagnostics, color)
	if err != nil {
		return err
	}
	if len(ws.plan.Builds)+len(ws.plan.LeftOut) == 0 {
		return ws.plan.NothingLeft()
	}
	if len(ws.plan.Builds) == 0 {
		fmt.Fprintf(out, "Warning: %v\n", ws.plan.NothingLeft())
	}
	fmt.Fprintln(out, "The configuration is valid.")
	return nil
}

// syntax checks that the template can be read.
func (f *validateFlags) syntax(cmd *cobra.Command, path string, color bool) error {
	o, diags, err := f.outline(cmd, path)
	if err != nil {
		return err
	}
	if err := writeDiags(f.diagnostics(cmd), o.Files, diags, nil, color); err != nil {
		return err
	}
	fmt.Fprintln(cmd.OutOrStdout(), "Syntax-only check passed. Everything looks okay.")
	return nil
}
