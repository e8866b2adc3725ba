package main

import (
	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

type inspectFlags struct {
	templateFlags
	evaluate, json, color bool
}

func newInspectCommand(p *program) *cobra.Command {
	f := inspectFlags{templateFlags: templateFlags{program: p, valueless: true}}
	cmd := &cobra.Command{
		Use:   "inspect [flags] [TEMPLATE]",
		Short: "Show what is in a template",
		Long: `Inspect shows the variables and locals of a template with their values, and its
builds with their sources, provisioners and post-processors. Variables may be
without a value. Sensitive values are not shown.

Data sources are not read, so that values that depend on them are <unknown>; with
-evaluate-datasources they are read.

A JSON template is shown as Packer shows it: its variables with what they are set
to in it, its builders and its provisioners.`,
		Example: `  ingot inspect .
  ingot inspect -var-file=prod.pkrvars.hcl web.pkr.hcl
  ingot inspect -json . | jq -r '.builds[].sources[]'`,
		Args: oneTemplate,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := f.template(cmd, args)
			if err != nil {
				return err
			}
			return f.run(cmd, path)
		},
	}
	f.add(cmd)
	f.addSelection(cmd)
	fl := cmd.Flags()
	fl.BoolVar(&f.evaluate, "evaluate-datasources", false, "read the data sources")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.BoolVar(&f.color, "color", true, "use colours on a terminal")
	return cmd
}

func (f *inspectFlags) run(cmd *cobra.Command, path string) error {
	f.unread = !f.evaluate
	out, color := cmd.OutOrStdout(), f.colorful(f.color, cmd.ErrOrStderr())
	if err := f.checkOutline(cmd, path, color); err != nil {
		return err
	}
	ws, diags, err := f.open(cmd, path, uuid.NewString())
	if err != nil {
		return err
	}
	chosen := func(string) bool { return true }
	if !f.inspectTolerant {
		if chosen, err = f.chosen(); err != nil {
			return err
		}
	}
	view := inspectionOf(ws.template, chosen)
	view.redact = ws.host.Secrets.Redact
	switch old := ws.template.Legacy(); {
	case f.json:
		err = printJSON(out, view)
	case old != nil:
		err = legacyInspection{Template: old, program: f.program, out: out, redact: view.redact}.text(chosen)
	default:
		err = view.text(out)
	}
	if err != nil || f.inspectTolerant {
		return err
	}
	return ws.report(cmd.ErrOrStderr(), diags, color)
}
