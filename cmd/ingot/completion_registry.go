package main

import (
	"cmp"
	"context"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/registry"
)

// argument lists what an argument may be, after those before it. What can't be
// listed is not completed.
type argument func(ctx context.Context, r *registry.Registry, before []string, typed string) []string

// completeArgs completes the arguments of a command with what a registry has.
func completeArgs(list ...argument) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		address, _ := cmd.Flags().GetString("registry")
		r, err := registry.Open(cmp.Or(address, os.Getenv("INGOT_REGISTRY")), registry.DefaultLayout)
		if err != nil || len(args) >= len(list) || list[len(args)] == nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return list[len(args)](cmd.Context(), r, args, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

func bucketArg(ctx context.Context, r *registry.Registry, _ []string, _ string) []string {
	list, _ := r.Buckets(ctx)
	return list
}

func checkpointBucketArg(ctx context.Context, r *registry.Registry, _ []string, _ string) []string {
	list, _ := r.CheckpointBuckets(ctx)
	return list
}

// nameArg is a version or a channel.
func nameArg(ctx context.Context, r *registry.Registry, before []string, _ string) []string {
	list, _ := r.Names(ctx, before[0])
	return list
}

// referenceArg is BUCKET, or BUCKET:NAME from the colon on.
func referenceArg(ctx context.Context, r *registry.Registry, _ []string, typed string) []string {
	bucket, _, ok := strings.Cut(typed, ":")
	if !ok {
		return bucketArg(ctx, r, nil, typed)
	}
	list := nameArg(ctx, r, []string{bucket}, typed)
	for i, name := range list {
		list[i] = bucket + ":" + name
	}
	return list
}

func channelArg(ctx context.Context, r *registry.Registry, before []string, _ string) []string {
	channels, _ := r.Channels(ctx, before[0])
	return slices.Sorted(maps.Keys(channels))
}

// waitingArg is a version that waits for approval.
func waitingArg(ctx context.Context, r *registry.Registry, before []string, _ string) (list []string) {
	requests, _ := r.Requests(ctx, before[0])
	for _, q := range requests {
		list = append(list, q.Version)
	}
	return list
}

// waitingChannelArg is a channel that a version waits for.
func waitingChannelArg(ctx context.Context, r *registry.Registry, before []string, _ string) (list []string) {
	requests, _ := r.Requests(ctx, before[0])
	for _, q := range requests {
		if q.Version == before[1] {
			list = append(list, q.Channel)
		}
	}
	return list
}

// onceArg is a version that a channel once was.
func onceArg(ctx context.Context, r *registry.Registry, before []string, _ string) (list []string) {
	moves, _ := r.History(ctx, before[0], before[1])
	for _, m := range moves {
		list = append(list, m.To)
	}
	slices.Sort(list)
	return slices.Compact(list)
}
