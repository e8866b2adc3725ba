package main

import (
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/artifact"
)

func newRegistryCheckpoints(f *registryFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "checkpoints [BUCKET]",
		Short: "List the checkpoints that builds can go on from",
		Long: `Checkpoints lists the images that were made of machines on their way: after
steps with checkpoint = true, and before a step that failed, with
-on-error=checkpoint. They are no part of any version. What has expired is
removed by the next build of its template that makes one, or by ingot sweep.
Whether an image is still there is asked when a build is planned.`,
		Example: `  ingot registry checkpoints
  ingot registry checkpoints web
  ingot registry checkpoints web -json | jq -r '.[].artifact.id'`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeArgs(checkpointBucketArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.open()
			if err != nil {
				return err
			}
			ctx, buckets := cmd.Context(), args
			if len(args) == 0 {
				if buckets, err = r.CheckpointBuckets(ctx); err != nil {
					return err
				}
			}
			list := []artifact.Checkpoint{}
			for _, bucket := range buckets {
				some, err := r.Checkpoints(ctx, bucket)
				if err != nil {
					return err
				}
				list = append(list, some...)
			}
			return f.print(cmd.OutOrStdout(), list, func(w io.Writer) error { return writeCheckpoints(w, list, time.Now()) })
		},
	}
}

func writeCheckpoints(w io.Writer, list []artifact.Checkpoint, now time.Time) error {
	if len(list) == 0 {
		_, err := fmt.Fprintln(w, "There are no checkpoints.")
		return err
	}
	rows := [][]string{{"BUCKET", "BUILD", "AFTER STEP", "IMAGE", "CREATED", "EXPIRES"}}
	for _, c := range list {
		until := c.Expires.Local().Format(time.DateTime)
		if now.After(c.Expires) {
			until += " (expired)"
		}
		rows = append(rows, []string{c.Bucket, c.Build, fmt.Sprintf("%d %s", c.Step, c.Name), c.Artifact.ID, c.Created.Local().Format(time.DateTime), until})
	}
	return table(w, rows...)
}
