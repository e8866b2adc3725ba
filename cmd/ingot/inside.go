package main

import (
	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders/container/inside"
)

// newInsideCommand is what BuildKit runs in a container that a program of the
// host works on.
func newInsideCommand() *cobra.Command {
	return &cobra.Command{
		Use:                inside.Command,
		Short:              "Let a program of the host work in this container",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			code, err := inside.Run(cmd.Context())
			if code == 0 {
				return err
			}
			if err != nil {
				reportError(cmd.ErrOrStderr(), err)
			}
			return exitCode(code)
		},
	}
}
