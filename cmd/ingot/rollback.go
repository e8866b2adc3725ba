package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/registry"
)

func newRollbackCommand() *cobra.Command {
	var f releaseFlags
	var to string
	cmd := f.command(&cobra.Command{
		Use:   "rollback BUCKET CHANNEL",
		Short: "Point a channel back to the version before",
		Long: `Rollback points a channel to the version that it was before; once more, to the
one before that. -to names another one that it once was. It needs no approval,
and the history says that it was a rollback.`,
		Example: `  ingot rollback web production
  ingot rollback web production -to 1.2.0 -comment 'logins fail'`,
		Args:              cobra.ExactArgs(2),
		ValidArgsFunction: completeArgs(bucketArg, channelArg),
	}, func(ctx context.Context, r *registry.Registry, args []string) (registry.Outcome, error) {
		return r.Rollback(ctx, args[0], args[1], to, f.Ask)
	})
	cmd.Flags().StringVar(&to, "to", "", "the `version` to go back to; default the one before")
	_ = cmd.RegisterFlagCompletionFunc("to", completeArgs(nil, nil, onceArg))
	return cmd
}
