package main

import (
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

func (f *releaseFlags) add(cmd *cobra.Command) {
	fl := cmd.Flags()
	fl.StringVar(&f.address, "registry", "", "`address` of the registry: host/prefix, or a folder; default $INGOT_REGISTRY, else .ingot/registry")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.StringVar(&f.By, "by", me(), "who does it, for the history")
	fl.StringVar(&f.Comment, "comment", "", "why, for the history")
	cmd.ValidArgsFunction = completeRelease
}

// releaseView is what came of a command that moves a channel.
type releaseView struct {
	Bucket   string `json:"bucket"`
	Version  string `json:"version"`
	Channel  string `json:"channel"`
	From     string `json:"from,omitempty"`
	Moved    bool   `json:"moved"` // else it waits for approval
	By       string `json:"by"`
	Approved string `json:"approved,omitempty"`
}

// told prints what came of it.
func (f *registryFlags) told(w io.Writer, v releaseView) error {
	return f.print(w, v, func(w io.Writer) error {
		text := fmt.Sprintf("%s:%s is %s\n", v.Bucket, v.Channel, v.Version)
		if !v.Moved {
			text = fmt.Sprintf("%s:%s asks for approval to be %s\nWho may: ingot approve %s %s %s\n", v.Bucket, v.Channel, v.Version, v.Bucket, v.Version, v.Channel)
		}
		_, err := io.WriteString(w, text)
		return err
	})
}

func newPromoteCommand() *cobra.Command {
	var f releaseFlags
	cmd := &cobra.Command{
		Use:   "promote BUCKET VERSION CHANNEL",
		Short: "Point a channel to a version that passed its tests",
		Long: `Promote points a channel to a version, or to what another channel points to. A
version of which a test failed, or a build was never tested, is refused, unless
-untested is set. Where the channel asks for approval, promote asks for it, and
the channel moves when somebody approves.`,
		Example: `  ingot promote web 1.4.0 production
  ingot promote web staging production -comment 'after the weekend'
  ingot promote web 1.4.0 production -untested`,
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
			moved, err := r.Promote(cmd.Context(), v.Bucket, v.Name, args[2], f.Ask)
			if err != nil {
				return err
			}
			return f.told(cmd.OutOrStdout(), releaseView{Bucket: v.Bucket, Version: v.Name, Channel: args[2], Moved: moved, By: f.By})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&f.Untested, "untested", false, "also where tests failed, or there are none")
	return cmd
}
