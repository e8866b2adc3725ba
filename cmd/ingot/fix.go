package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/legacy"
	"github.com/ingot-build/ingot/internal/legacy/fix"
)

func newFixCommand() *cobra.Command {
	var validate bool
	var fixes strings.Builder
	for _, f := range fix.List() {
		fmt.Fprintf(&fixes, "  %-27s%s\n", f.Name, f.Does)
	}
	cmd := &cobra.Command{
		Use:   "fix [flags] TEMPLATE",
		Short: "Bring an old JSON template up to date",
		Long: `Fix changes what was renamed or removed in a JSON template since it was
written, and prints the result to standard output. The file stays as it is.
What it changes, in this order:

` + fixes.String(),
		Example: `  ingot fix old.json >new.json
  ingot fix -validate=false part.json`,
		Args: oneJSON,
		RunE: func(cmd *cobra.Command, args []string) error {
			src, err := jsonTemplate(cmd, args[0])
			if err != nil {
				return err
			}
			if err := writeSource(cmd.ErrOrStderr(), args[0], src, legacy.Check(args[0], src)); err != nil {
				return err
			}
			fixed, err := fix.Apply(src)
			if err != nil {
				return fmt.Errorf("fix %s: %w", args[0], err)
			}
			if _, err := cmd.OutOrStdout().Write(fixed); err != nil {
				return err
			}
			if !validate {
				return nil
			}
			return checkFixed(cmd, args[0]+", fixed", fixed)
		},
	}
	cmd.Flags().BoolVar(&validate, "validate", true, "check the form of the result")
	cmd.ValidArgsFunction = jsonFiles
	cmd.SetErr(output(os.Stderr)) // the output is a file: also under the name packer nothing else gets there
	return cmd
}

// checkFixed checks the form of a template, and names the components in it
// that there are none of.
func checkFixed(cmd *cobra.Command, name string, src []byte) error {
	t, diags := legacy.Read(name, src)
	if t != nil {
		diags = append(diags, t.Incomplete()...)
	}
	if err := writeSource(cmd.ErrOrStderr(), name, src, slices.DeleteFunc(diags, func(d *hcl.Diagnostic) bool { return d.Severity == hcl.DiagWarning })); err != nil {
		return builders.WithHint(errors.New("the result is not a valid template"), "-validate=false leaves that out")
	}
	for _, c := range t.Components() {
		if schemaOf(c.Kind, c.Type) == nil {
			fmt.Fprintf(cmd.ErrOrStderr(), "Warning: ingot has no %s %q, so its options were not looked at\n", c.Kind, c.Type)
		}
	}
	return nil
}
