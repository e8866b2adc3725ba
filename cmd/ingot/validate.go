package main

import (
	"fmt"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
)

func newValidateCommand() *cobra.Command {
	var f templateFlags
	var color, evaluate bool
	cmd := &cobra.Command{
		Use:   "validate [flags] [TEMPLATE]",
		Short: "Check a template",
		Long: `Validate checks a template: its language, every option of every component,
and whether each builder can do what the provisioners ask. It touches neither
network nor machine. All errors are shown, with their places.

Data sources are checked and not read: what comes of them is taken as right.
With -evaluate-datasources they are read, and the template is checked with what
they say.`,
		Example: `  ingot validate .
  ingot validate -var-file=prod.pkrvars.hcl web.pkr.hcl`,
		Args: oneTemplate,
		RunE: func(cmd *cobra.Command, args []string) error {
			out := cmd.OutOrStdout()
			f.unread = !evaluate
			ws, err := f.load(cmd, templatePath(args), uuid.NewString(), out, colorful(color, out))
			if err != nil {
				return err
			}
			if len(ws.plan.Builds) == 0 {
				fmt.Fprintf(out, "Warning: %v\n", ws.plan.NothingLeft())
			}
			fmt.Fprintln(out, "The configuration is valid.")
			return nil
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&evaluate, "evaluate-datasources", false, "read the data sources too")
	cmd.Flags().BoolVar(&color, "color", true, "use colours on a terminal")
	return cmd
}
