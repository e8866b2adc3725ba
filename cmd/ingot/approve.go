package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/registry"
)

func newApproveCommand() *cobra.Command {
	var f releaseFlags
	return f.command(&cobra.Command{
		Use:   "approve BUCKET VERSION CHANNEL",
		Short: "Let a channel move to a version that was promoted to it",
		Long: `Approve points a channel that moves only with approval to a version that
somebody asked for. Who asked and who approved is kept in the channel's history.
A version of which a test failed since then is refused.
ingot registry channel BUCKET CHANNEL shows what waits.`,
		Example: `  ingot registry channel web production
  ingot approve web 1.4.0 production
  ingot approve web 1.4.0 production -comment 'load test was fine'`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: completeArgs(bucketArg, waitingArg, waitingChannelArg),
	}, func(ctx context.Context, r *registry.Registry, args []string) (registry.Outcome, error) {
		return r.Approve(ctx, args[0], args[1], args[2], f.Ask)
	})
}
