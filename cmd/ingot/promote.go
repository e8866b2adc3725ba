package main

import (
	"context"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/registry"
)

// releaseFlags are those of the commands that move channels.
type releaseFlags struct {
	registryFlags
	registry.Ask
}

// command returns a command that asks for a move, and tells what came of it.
func (f *releaseFlags) command(cmd *cobra.Command, ask func(ctx context.Context, r *registry.Registry, args []string) (registry.Outcome, error)) *cobra.Command {
	fl := cmd.Flags()
	fl.StringVar(&f.address, "registry", "", "`address` of the registry: host/prefix, or a folder; default $INGOT_REGISTRY, else .ingot/registry")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.StringVar(&f.By, "by", me(), "who does it, for the history")
	fl.StringVar(&f.Comment, "comment", "", "why, for the history")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		r, err := f.open()
		if err != nil {
			return err
		}
		out, err := ask(cmd.Context(), r, args)
		if err != nil {
			return err
		}
		return f.told(cmd.OutOrStdout(), out)
	}
	return cmd
}

// told prints what came of asking for a move.
func (f *registryFlags) told(w io.Writer, out registry.Outcome) error {
	return f.print(w, out, func(w io.Writer) error {
		text := fmt.Sprintf("%s:%s is %s\n", out.Bucket, out.Channel, out.Version)
		if !out.Moved {
			text = fmt.Sprintf("%s:%s asks for approval to be %s\nWho may: ingot approve %s %s %s\n", out.Bucket, out.Channel, out.Version, out.Bucket, out.Version, out.Channel)
		}
		_, err := io.WriteString(w, text)
		return err
	})
}

func newPromoteCommand() *cobra.Command {
	var f releaseFlags
	cmd := f.command(&cobra.Command{
		Use:   "promote BUCKET VERSION CHANNEL",
		Short: "Point a channel to a version that passed its tests",
		Long: `Promote points a channel to a version, or to what another channel points to. A
version of which a test failed, or a build was never tested, is refused, unless
-untested is set: then the channel's history says so. Where the channel asks
for approval, promote asks for it, and the channel moves when somebody approves.`,
		Example: `  ingot promote web 1.4.0 production
  ingot promote web staging production -comment 'after the weekend'
  ingot promote web 1.4.0 production -untested`,
		Args:              cobra.ExactArgs(3),
		ValidArgsFunction: completeArgs(bucketArg, nameArg, channelArg),
	}, func(ctx context.Context, r *registry.Registry, args []string) (registry.Outcome, error) {
		return r.Promote(ctx, args[0], args[1], args[2], f.Ask)
	})
	addUntested(cmd, &f.Untested)
	return cmd
}

func addUntested(cmd *cobra.Command, to *bool) {
	cmd.Flags().BoolVar(to, "untested", false, "also where tests failed, or there are none; the history says so")
}
