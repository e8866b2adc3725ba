package main

import (
	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders/container/buildkitd"
)

// newSuperviseCommand is what the docker builder starts to watch over the
// bundled BuildKit daemon.
func newSuperviseCommand() *cobra.Command {
	return &cobra.Command{
		Use:                buildkitd.Command,
		Short:              "Run the bundled BuildKit daemon until it is idle",
		Hidden:             true,
		DisableFlagParsing: true,
		RunE:               func(cmd *cobra.Command, args []string) error { return buildkitd.Supervise(cmd.Context(), args) },
	}
}
