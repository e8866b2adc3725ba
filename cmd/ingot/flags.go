package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/component"
)

// twoDashes lets flags be written with one dash too, as Packer's are.
func twoDashes(args []string) []string {
	out := make([]string, len(args))
	for i, a := range args {
		out[i] = a
		if a == "--" {
			copy(out[i:], args[i:])
			break
		}
		if len(a) > 2 && a[0] == '-' && a[1] != '-' {
			out[i] = "-" + a
		}
	}
	return out
}

// flagError says what is wrong with a flag, in the form that flags have in
// the documentation: one dash.
func flagError(cmd *cobra.Command, err error) error {
	hint := fmt.Sprintf("`%s -help` lists the flags", cmd.CommandPath())
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	switch {
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		err = fmt.Errorf("%s has no flag -%s", cmd.CommandPath(), name)
		var known []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { known = append(known, f.Name) })
		if near := component.Nearest(name, known); near != "" {
			hint = fmt.Sprintf("did you mean -%s?", near)
		}
	case errors.As(err, &missing):
		err = fmt.Errorf("-%s needs a value", missing.GetFlag().Name)
	case errors.As(err, &invalid):
		takes := map[string]string{"bool": "true or false", "int": "a whole number"}
		f := invalid.GetFlag()
		if what := takes[f.Value.Type()]; what != "" {
			err = fmt.Errorf("-%s=%s: it takes %s", f.Name, invalid.GetValue(), what)
		}
	}
	return builders.WithHint(err, hint)
}

// oneTemplate refuses more than one template.
func oneTemplate(_ *cobra.Command, args []string) error {
	if len(args) > 1 {
		return builders.WithHint(fmt.Errorf("one template is needed, a file or a folder, not %d: %s", len(args), strings.Join(args, ", ")),
			"a shell may have replaced a * : put globs in quotes")
	}
	return nil
}
