package main

import (
	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/engine"
)

func newPlanCommand(p *program) *cobra.Command {
	f := templateFlags{program: p, undeclared: true}
	var asJSON, detailed, color bool
	cmd := &cobra.Command{
		Use:   "plan [flags] [TEMPLATE]",
		Short: "Show what a build would do, and why",
		Long: `Plan resolves the sources of a template, compares every step with what is
recorded in the registry, and shows which steps would run and what changed:
which file, which variable, which base image. It changes nothing.`,
		Example: `  ingot plan .
  ingot plan -json -var release=1.4 web.pkr.hcl
  ingot plan -detailed-exitcode . || test $? -eq 2   # 2: there is something to do`,
		Args: oneTemplate,
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := f.template(cmd, args)
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			color = f.colorful(color, out)
			ws, err := f.load(cmd, path, uuid.NewString(), cmd.ErrOrStderr(), color)
			if err != nil {
				return err
			}
			if err := ws.plan.Resolve(cmd.Context(), engine.History(ws.registry)); err != nil {
				return err
			}
			if asJSON {
				err = ws.plan.JSON(out)
			} else {
				err = ws.plan.Text(out, painter(color))
			}
			if err != nil {
				return err
			}
			for _, b := range ws.plan.Builds {
				if b.Err != nil {
					return exitCode(exitError)
				}
			}
			if detailed && ws.plan.Todo() {
				return exitCode(exitChanges)
			}
			return nil
		},
	}
	f.add(cmd)
	f.addSelection(cmd)
	f.addRegistry(cmd)
	cmd.Flags().BoolVar(&f.force, "force", false, "plan as `ingot build -force` would run")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the plan as JSON")
	cmd.Flags().BoolVar(&detailed, "detailed-exitcode", false, "exit with 2 when there is something to do")
	cmd.Flags().BoolVar(&color, "color", true, "use colours on a terminal")
	return cmd
}

func painter(color bool) func(colour, text string) string {
	codes := map[string]string{"green": "32", "yellow": "33", "red": "31", "dim": "2"}
	return func(colour, text string) string {
		if !color || text == "" {
			return text
		}
		return "\x1b[" + codes[colour] + "m" + text + "\x1b[0m"
	}
}
