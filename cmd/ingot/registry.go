package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/user"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/registry"
)

// registryFlags are the flags of every registry command.
type registryFlags struct {
	address string
	json    bool
}

// open opens the flag's registry, or the environment's, or the one below the
// working directory.
func (f *registryFlags) open() (*registry.Registry, error) {
	return registry.Open(cmp.Or(f.address, os.Getenv("INGOT_REGISTRY")), registry.DefaultLayout)
}

// print writes v as JSON where the user asked for that, else as text.
func (f *registryFlags) print(w io.Writer, v any, text func(io.Writer) error) error {
	if !f.json {
		return text(w)
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func newRegistryCommand() *cobra.Command {
	var f registryFlags
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Look at published versions, move channels, pull images",
		Long: `A registry keeps the versions that builds published: in buckets, as OCI
content. It is a folder (.ingot/registry in the working directory) or any OCI
registry, whose login is taken from docker's configuration. A template's
registry block is not read here: name its address with -registry or
INGOT_REGISTRY.`,
		Example: `  ingot registry list
  ingot registry show web production
  ingot registry channel web production
  ingot registry diff web production staging
  ingot registry pull web production -o web.tar
  ingot registry sbom web production -format spdx`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&f.address, "registry", "", "`address` of the registry: host/prefix, or a folder; default $INGOT_REGISTRY, else .ingot/registry")
	cmd.AddCommand(newRegistryList(&f), newRegistryShow(&f), newRegistryChannel(&f), newRegistryPull(&f), newRegistryDiff(&f), newRegistrySBOM(&f), newRegistryAncestry(&f), newRegistryCheckpoints(&f), newRegistryGC(&f))
	for _, c := range cmd.Commands() {
		c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	}
	return cmd
}

func newRegistryList(f *registryFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "list [BUCKET]",
		Short: "List buckets, or the versions of one",
		Example: `  ingot registry list
  ingot registry list web
  ingot registry -registry ghcr.io/acme/images list web -json`,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeArgs(bucketArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.open()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return f.listVersions(cmd.Context(), cmd.OutOrStdout(), r, args[0])
			}
			return f.listBuckets(cmd.Context(), cmd.OutOrStdout(), r)
		},
	}
}

func (f *registryFlags) listBuckets(ctx context.Context, w io.Writer, r *registry.Registry) error {
	names, err := r.Buckets(ctx)
	if err != nil {
		return err
	}
	list := make([]bucketView, 0, len(names))
	for _, name := range names {
		latest, ok, err := r.Latest(ctx, name)
		if err != nil {
			return err
		}
		if !ok {
			continue // a repository of somebody else
		}
		channels, err := r.Channels(ctx, name)
		if err != nil {
			return err
		}
		list = append(list, bucketView{name, latest.Name, latest.Created, channels})
	}
	return f.print(w, list, func(w io.Writer) error { return writeBuckets(w, r, list) })
}

func (f *registryFlags) listVersions(ctx context.Context, w io.Writer, r *registry.Registry, bucket string) error {
	versions, err := r.Versions(ctx, bucket)
	if err != nil {
		return err
	}
	list := make([]versionView, len(versions))
	for i, v := range versions {
		list[i] = viewOf(r, v)
	}
	return f.print(w, list, func(w io.Writer) error { return writeVersions(w, r, bucket, list) })
}

func newRegistryShow(f *registryFlags) *cobra.Command {
	return &cobra.Command{
		Use:   "show BUCKET [VERSION|CHANNEL]",
		Short: "Show a version: what it holds, where, and how it was made",
		Long:  "Show shows one version, the newest where none is named.",
		Example: `  ingot registry show web
  ingot registry show web production
  ingot registry show web:1.4.0 -json`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeArgs(referenceArg, nameArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, v, err := f.version(cmd.Context(), args)
			if err != nil {
				return err
			}
			view := viewOf(r, v)
			if view.Tests, err = r.Tests(cmd.Context(), v.Bucket, v.Name); err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), view, func(w io.Writer) error { return writeVersion(w, view, time.Now()) })
		},
	}
}

// version opens the registry and finds a version in it.
func (f *registryFlags) version(ctx context.Context, args []string) (*registry.Registry, registry.Version, error) {
	r, err := f.open()
	if err != nil {
		return nil, registry.Version{}, err
	}
	v, err := find(ctx, r, args)
	return r, v, err
}

// find returns the version that the arguments BUCKET [NAME] or BUCKET:NAME ask for.
func find(ctx context.Context, r *registry.Registry, args []string) (registry.Version, error) {
	if bucket, name, ok := strings.Cut(args[0], ":"); ok && len(args) == 1 {
		args = []string{bucket, name}
	}
	var v registry.Version
	var ok bool
	var err error
	if len(args) > 1 {
		v, ok, err = r.Version(ctx, args[0], args[1])
	} else {
		v, ok, err = r.Latest(ctx, args[0])
	}
	if err != nil || ok {
		return v, err
	}
	what := strings.Join(args[:min(2, len(args))], ":")
	if len(args) > 1 {
		err = builders.WithHint(fmt.Errorf("%s: no such version or channel in %s", what, r.Address()), "ingot registry list "+args[0]+" shows what there is")
	} else {
		err = builders.WithHint(fmt.Errorf("%s: nothing was published to it in %s", what, r.Address()), "ingot registry list shows the buckets")
	}
	return v, err
}

func newRegistryChannel(f *registryFlags) *cobra.Command {
	var ask registry.Ask
	var approval bool
	cmd := &cobra.Command{
		Use:   "channel BUCKET [CHANNEL [VERSION]]",
		Short: "List channels, show the history of one, or point it to a version",
		Long: `Channel lists the channels of a bucket. With a channel it shows what that is,
what waits for approval, and its history. With a version too, it does what ingot
promote does. With -approval=true the channel moves from now on only when
somebody approves (ingot approve).`,
		Example: `  ingot registry channel web
  ingot registry channel web production
  ingot registry channel web production 1.4.0
  ingot registry channel web production -approval=true`,
		Args:              cobra.RangeArgs(1, 3),
		ValidArgsFunction: completeArgs(bucketArg, channelArg, nameArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, err := f.open()
			if err != nil {
				return err
			}
			ctx, w := cmd.Context(), cmd.OutOrStdout()
			if len(args) == 1 {
				if cmd.Flags().Changed("approval") {
					return errors.New("-approval is of one channel: name it")
				}
				return f.listChannels(ctx, w, r, args[0])
			}
			if cmd.Flags().Changed("approval") {
				if err := r.SetSettings(ctx, args[0], args[1], ask.By, registry.Settings{Approval: approval}); err != nil {
					return err
				}
			}
			if len(args) == 2 {
				return f.showChannel(ctx, w, r, args[0], args[1])
			}
			out, err := r.Promote(ctx, args[0], args[2], args[1], ask)
			if err != nil {
				return err
			}
			return f.told(w, out)
		},
	}
	cmd.Flags().StringVar(&ask.By, "by", me(), "who does it, for the history")
	cmd.Flags().StringVar(&ask.Comment, "comment", "", "why, for the history")
	addUntested(cmd, &ask.Untested)
	cmd.Flags().BoolVar(&approval, "approval", false, "whether the channel moves only with approval")
	return cmd
}

func (f *registryFlags) listChannels(ctx context.Context, w io.Writer, r *registry.Registry, bucket string) error {
	channels, err := r.Channels(ctx, bucket)
	if err != nil {
		return err
	}
	list := make([]channelView, 0, len(channels))
	for _, name := range slices.Sorted(maps.Keys(channels)) {
		list = append(list, channelView{Bucket: bucket, Channel: name, Version: channels[name], Reference: r.Reference(bucket, name)})
	}
	return f.print(w, list, func(w io.Writer) error { return writeChannels(w, r, bucket, list) })
}

func (f *registryFlags) showChannel(ctx context.Context, w io.Writer, r *registry.Registry, bucket, channel string) error {
	channels, err := r.Channels(ctx, bucket)
	if err != nil {
		return err
	}
	settings, err := r.Settings(ctx, bucket, channel)
	if err != nil {
		return err
	}
	waiting, err := r.Requests(ctx, bucket)
	if err != nil {
		return err
	}
	waiting = slices.DeleteFunc(waiting, func(q registry.Request) bool { return q.Channel != channel || q.Version == channels[channel] })
	if channels[channel] == "" && !settings.Approval && len(waiting) == 0 {
		return builders.WithHint(fmt.Errorf("%s:%s: no such channel in %s", bucket, channel, r.Address()),
			"ingot promote "+bucket+" VERSION "+channel+" makes it")
	}
	moves, err := r.History(ctx, bucket, channel)
	if err != nil {
		return err
	}
	view := channelView{Bucket: bucket, Channel: channel, Version: channels[channel], Approval: settings.Approval, Waiting: waiting, History: moves}
	if view.Version != "" {
		view.Reference = r.Reference(bucket, channel)
	}
	return f.print(w, view, func(w io.Writer) error { return writeChannel(w, view) })
}

// me returns who runs this, for people: user@host.
func me() string {
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		name += "@" + host
	}
	return name
}

func newRegistryPull(f *registryFlags) *cobra.Command {
	var out, build string
	cmd := &cobra.Command{
		Use:   "pull BUCKET [VERSION|CHANNEL]",
		Short: "Write the container images of a version to a folder or a tar",
		Long: `Pull writes the container images of a version, the newest where none is
named: to an OCI layout folder, or to a tar when the name ends in .tar, which
docker load, podman load and skopeo read.`,
		Example: `  ingot registry pull web 1.4.0 -o web.tar && docker load -i web.tar
  ingot registry pull web production -o layout
  ingot registry pull web -build docker.web -o web.tar`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeArgs(referenceArg, nameArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return builders.WithHint(errors.New("pull: -o is missing"), "-o NAME.tar writes a tar, -o NAME a folder")
			}
			r, v, err := f.version(cmd.Context(), args)
			if err != nil {
				return err
			}
			to := registry.PullTo{Build: build, Dir: out}
			if strings.HasSuffix(out, ".tar") {
				to = registry.PullTo{Build: build, Tar: out}
			}
			if v, err = r.Pull(cmd.Context(), v.Bucket, v.Name, to); err != nil {
				return err
			}
			view := pulledView{Bucket: v.Bucket, Version: v.Name, Path: out}
			return f.print(cmd.OutOrStdout(), view, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "Pulled %s:%s to %s\n", v.Bucket, v.Name, out)
				return err
			})
		},
	}
	cmd.Flags().StringVarP(&out, "output", "o", "", "`path` to write: a tar where it ends in .tar, else a folder")
	cmd.Flags().StringVar(&build, "build", "", "only the image of this build, by its `address`")
	return cmd
}

func newRegistryGC(f *registryFlags) *cobra.Command {
	var grace time.Duration
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove content of the layout folder that nothing uses",
		Long: `Gc removes from the layout folder what no version, channel or record leads
to: images of builds that failed, copies of what was pushed. Images that are
being built have no name yet, so what is younger than the grace is kept.`,
		Example: `  ingot registry gc
  ingot registry gc -grace 1h`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if grace < 0 {
				return fmt.Errorf("-grace=%s: it takes a time of 0 or more", grace)
			}
			r, err := f.open()
			if err != nil {
				return err
			}
			freed, err := r.GC(cmd.Context(), grace)
			if err != nil {
				return err
			}
			view := gcView{Folder: r.Layout(), Freed: freed}
			return f.print(cmd.OutOrStdout(), view, func(w io.Writer) error {
				_, err := fmt.Fprintf(w, "Freed %s in %s\n", bytesText(freed), r.Layout())
				return err
			})
		},
	}
	cmd.Flags().DurationVar(&grace, "grace", 24*time.Hour, "keep what was made or used within this `time`")
	return cmd
}
