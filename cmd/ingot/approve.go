package main

import "github.com/spf13/cobra"

func newApproveCommand() *cobra.Command {
	var f releaseFlags
	cmd := &cobra.Command{
		Use:   "approve BUCKET VERSION CHANNEL",
		Short: "Let a channel move to a version that was promoted to it",
		Long: `Approve points a channel that moves only with approval to a version that
somebody asked for. Who asked and who approved is kept in the channel's history.
ingot registry channel BUCKET CHANNEL shows what waits.`,
		Example: `  ingot registry channel web production
  ingot approve web 1.4.0 production
  ingot approve web 1.4.0 production -comment 'load test was fine'`,
		Args: cobra.ExactArgs(3),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.open()
			if err != nil {
				return err
			}
			v, err := find(cmd.Context(), r, args[:2])
			if err != nil {
				return err
			}
			q, err := r.Approve(cmd.Context(), v.Bucket, v.Name, args[2], f.Ask)
			if err != nil {
				return err
			}
			return f.told(cmd.OutOrStdout(), releaseView{Bucket: v.Bucket, Version: v.Name, Channel: args[2], Moved: true, By: q.By, Approved: f.By})
		},
	}
	f.add(cmd)
	return cmd
}
