package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/registry"
)

// What registry ancestry prints as JSON.
type (
	ancestryView struct {
		Bucket  string        `json:"bucket"`
		Version string        `json:"version"`
		Builds  []*relativeOf `json:"builds"`
		Partial string        `json:"partial,omitempty"` // why children were looked for in this bucket only
	}
	relativeOf struct {
		artifact.Parent
		Artifact string        `json:"artifact,omitempty"` // its id; "" where it is in no version any more
		Channels []string      `json:"channels,omitempty"` // that point to the version
		Parents  []*relativeOf `json:"parents,omitempty"`
		Children []*relativeOf `json:"children,omitempty"`
	}
)

func newRegistryAncestry(f *registryFlags) *cobra.Command {
	var up, down bool
	cmd := &cobra.Command{
		Use:   "ancestry BUCKET [VERSION|CHANNEL]",
		Short: "Show which images a version began with, and which began with it",
		Long: `Ancestry shows, for each build of a version, the builds whose images it began
with, and those that began with its own, as far as it goes: in the same template,
and in others that found the image by a channel. It is the newest version where
none is named. Of what is unchanged in several versions, the newest one is shown.`,
		Example: `  ingot registry ancestry base production
  ingot registry ancestry base:1.4.0 -children   # what is to be built again
  ingot registry ancestry web -parents -json`,
		Args:              cobra.RangeArgs(1, 2),
		ValidArgsFunction: completeArgs(referenceArg, nameArg),
		RunE: func(cmd *cobra.Command, args []string) error {
			r, v, err := f.version(cmd.Context(), args)
			if err != nil {
				return err
			}
			a := &ancestry{registry: r, versions: map[string][]registry.Version{}, up: up || !down, down: down || !up}
			view, err := a.of(cmd.Context(), v)
			if err != nil {
				return err
			}
			return f.print(cmd.OutOrStdout(), view, func(w io.Writer) error { return a.write(w, view) })
		},
	}
	cmd.Flags().BoolVar(&up, "parents", false, "only what it began with")
	cmd.Flags().BoolVar(&down, "children", false, "only what began with it")
	return cmd
}

// ancestry finds relatives in a registry.
type ancestry struct {
	registry *registry.Registry
	versions map[string][]registry.Version // by bucket, the newest first
	buckets  []string
	up, down bool
}

// of are the relatives of a version's builds.
func (a *ancestry) of(ctx context.Context, v registry.Version) (ancestryView, error) {
	view := ancestryView{Bucket: v.Bucket, Version: v.Name, Builds: []*relativeOf{}}
	if a.down {
		view.Partial = a.listBuckets(ctx, v.Bucket)
	}
	for _, rec := range v.Records {
		one := relative(v, rec)
		if a.up {
			if err := a.addParents(ctx, one, v, rec, nil); err != nil {
				return view, err
			}
		}
		if a.down {
			if err := a.addChildren(ctx, one, nil); err != nil {
				return view, err
			}
		}
		view.Builds = append(view.Builds, one)
	}
	return view, nil
}

func relative(v registry.Version, rec artifact.Record) *relativeOf {
	return &relativeOf{Parent: artifact.Parent{Bucket: v.Bucket, Version: v.Name, Build: rec.Build, Key: rec.Key}, Artifact: rec.Artifact.ID, Channels: v.Channels}
}

// listBuckets notes the buckets that there are. Many registries do not list
// theirs: it is just the one that is asked for then, and the result says why.
func (a *ancestry) listBuckets(ctx context.Context, own string) (partial string) {
	list, err := a.registry.Buckets(ctx)
	if err != nil {
		a.buckets = []string{own}
		return err.Error()
	}
	a.buckets = list
	if !slices.Contains(list, own) {
		a.buckets = append(a.buckets, own)
	}
	return ""
}

func (a *ancestry) all(ctx context.Context, bucket string) ([]registry.Version, error) {
	if list, ok := a.versions[bucket]; ok {
		return list, nil
	}
	list, err := a.registry.Versions(ctx, bucket)
	a.versions[bucket] = list
	return list, err
}

// addParents adds the builds that a record names, and theirs.
func (a *ancestry) addParents(ctx context.Context, to *relativeOf, v registry.Version, rec artifact.Record, way []key.Key) error {
	if slices.Contains(way, rec.Key) {
		return nil
	}
	for _, p := range rec.Parents {
		in, made, found, err := a.parent(ctx, v, p)
		if err != nil {
			return err
		}
		one := &relativeOf{Parent: p}
		if found {
			one = relative(in, made)
			if err := a.addParents(ctx, one, in, made, append(way, rec.Key)); err != nil {
				return err
			}
		}
		to.Parents = append(to.Parents, one)
	}
	return nil
}

// parent finds a parent: in the version that is named, in the one of the
// child, or in the newest that has its key.
func (a *ancestry) parent(ctx context.Context, child registry.Version, p artifact.Parent) (registry.Version, artifact.Record, bool, error) {
	all, err := a.all(ctx, p.Bucket)
	if err != nil {
		return child, artifact.Record{}, false, err
	}
	near := func(v registry.Version) bool {
		return v.Name == p.Version || p.Version == "" && v.Bucket == child.Bucket && v.Name == child.Name
	}
	for _, only := range []func(registry.Version) bool{near, func(registry.Version) bool { return true }} {
		for _, v := range all {
			i := slices.IndexFunc(v.Records, func(r artifact.Record) bool { return r.Build == p.Build && r.Key == p.Key })
			if i >= 0 && only(v) {
				return v, v.Records[i], true, nil
			}
		}
	}
	return child, artifact.Record{}, false, nil
}

// addChildren adds the builds whose records name this one, and theirs.
func (a *ancestry) addChildren(ctx context.Context, to *relativeOf, way []key.Key) error {
	if slices.Contains(way, to.Key) {
		return nil
	}
	seen := map[artifact.Parent]bool{}
	for _, bucket := range a.buckets {
		all, err := a.all(ctx, bucket)
		if err != nil {
			return err
		}
		for _, v := range all {
			for _, rec := range v.Records {
				id := artifact.Parent{Bucket: bucket, Build: rec.Build, Key: rec.Key}
				if seen[id] || !slices.ContainsFunc(rec.Parents, to.is) {
					continue
				}
				seen[id] = true
				one := relative(v, rec)
				if err := a.addChildren(ctx, one, append(way, to.Key)); err != nil {
					return err
				}
				to.Children = append(to.Children, one)
			}
		}
	}
	return nil
}

// is reports whether a record means this one by a parent of its.
func (r *relativeOf) is(p artifact.Parent) bool {
	return p.Bucket == r.Bucket && p.Build == r.Build && p.Key == r.Key
}

// write prints the relatives as trees.
func (a *ancestry) write(w io.Writer, view ancestryView) error {
	t := &treeWriter{w: w}
	t.line("%s:%s\n", view.Bucket, view.Version)
	if view.Partial != "" {
		t.line("What began with it was looked for in this bucket only: %s\n", view.Partial)
	}
	for _, one := range view.Builds {
		t.line("\n%s  %s\n", one.Build, one.Artifact)
		if a.up {
			t.list("began with", one.Parents, func(r *relativeOf) []*relativeOf { return r.Parents })
		}
		if a.down {
			t.list("what began with it", one.Children, func(r *relativeOf) []*relativeOf { return r.Children })
		}
	}
	return t.err
}

type treeWriter struct {
	w   io.Writer
	err error
}

func (t *treeWriter) line(format string, args ...any) {
	if t.err == nil {
		_, t.err = fmt.Fprintf(t.w, format, args...)
	}
}

func (t *treeWriter) list(title string, list []*relativeOf, next func(*relativeOf) []*relativeOf) {
	if len(list) == 0 {
		t.line("  %s: nothing in the registry\n", title)
		return
	}
	t.line("  %s:\n", title)
	t.tree(list, "  ", next)
}

func (t *treeWriter) tree(list []*relativeOf, indent string, next func(*relativeOf) []*relativeOf) {
	for i, r := range list {
		branch, below := "├─ ", "│  "
		if i == len(list)-1 {
			branch, below = "└─ ", "   "
		}
		where := r.Bucket
		if r.Version != "" {
			where += ":" + r.Version
		}
		what := r.Artifact
		if what == "" {
			what = "in no version any more"
		}
		t.line("%s%s%s %s  %s\n", indent, branch, where, r.Build, what)
		t.tree(next(r), indent+below, next)
	}
}
