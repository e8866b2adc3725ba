package main

import "github.com/spf13/cobra"

func newRollbackCommand() *cobra.Command {
	var f releaseFlags
	var to string
	cmd := &cobra.Command{
		Use:   "rollback BUCKET CHANNEL",
		Short: "Point a channel back to the version before",
		Long: `Rollback points a channel to the version that it was before; once more, to the
one before that. -to names another one that it once was. It needs no approval,
and the history says that it was a rollback.`,
		Example: `  ingot rollback web production
  ingot rollback web production -to 1.2.0 -comment 'logins fail'`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.open()
			if err != nil {
				return err
			}
			m, err := r.Rollback(cmd.Context(), args[0], args[1], to, f.Ask)
			if err != nil {
				return err
			}
			return f.told(cmd.OutOrStdout(), releaseView{Bucket: args[0], Version: m.To, Channel: args[1], From: m.From, Moved: true, By: f.By})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&to, "to", "", "the `version` to go back to; default the one before")
	return cmd
}
