package registry

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
	"oras.land/oras-go/v2/errdef"
)

// Latest returns the version that was published last.
func (r *Registry) Latest(ctx context.Context, bucket string) (Version, bool, error) {
	op := "latest version of " + bucket
	repo, err := r.repository(bucket)
	if err != nil {
		return Version{}, false, err
	}
	desc, ok, err := repo.newest(ctx)
	if err != nil || !ok {
		return Version{}, false, r.explain(op, err)
	}
	v, err := r.readVersion(ctx, repo, bucket, desc)
	if err == nil {
		err = r.addChannels(ctx, &v)
	}
	return v, err == nil, r.explain(op, err)
}

// Version returns the version of that name, or the one a channel of that name
// points to.
func (r *Registry) Version(ctx context.Context, bucket, nameOrChannel string) (Version, bool, error) {
	op := "version " + bucket + ":" + nameOrChannel
	repo, err := r.repository(bucket)
	if err != nil {
		return Version{}, false, err
	}
	if err := ValidChannel(nameOrChannel); err != nil && ValidVersion(nameOrChannel) != nil {
		return Version{}, false, err
	}
	desc, err := repo.Resolve(ctx, nameOrChannel)
	if errors.Is(err, errdef.ErrNotFound) {
		return Version{}, false, nil
	}
	if err != nil {
		return Version{}, false, r.explain(op, err)
	}
	v, err := r.readVersion(ctx, repo, bucket, desc)
	if errors.Is(err, errNotVersion) {
		return Version{}, false, nil
	}
	if err == nil {
		err = r.addChannels(ctx, &v)
	}
	return v, err == nil, r.explain(op, err)
}

func (r *Registry) addChannels(ctx context.Context, v *Version) error {
	channels, err := r.Channels(ctx, v.Bucket)
	v.Channels = pointingTo(channels, v.Name)
	return err
}

func pointingTo(channels map[string]string, version string) []string {
	var list []string
	for _, c := range slices.Sorted(maps.Keys(channels)) {
		if channels[c] == version {
			list = append(list, c)
		}
	}
	return list
}

// Names lists what versions and channels are called, sorted, without reading
// them. Tags that others made are among them.
func (r *Registry) Names(ctx context.Context, bucket string) ([]string, error) {
	_, list, err := r.tags(ctx, bucket, "names of "+bucket)
	list = slices.DeleteFunc(list, func(tag string) bool { return reservedPrefix(tag) != "" })
	slices.Sort(list)
	return list, err
}

// tags returns a bucket's repository and all of its tags. Op is for errors.
func (r *Registry) tags(ctx context.Context, bucket, op string) (repository, []string, error) {
	repo, err := r.repository(bucket)
	if err != nil {
		return nil, nil, err
	}
	list, err := repo.tags(ctx)
	return repo, list, r.explain(op, err)
}

// Versions lists the versions of a bucket, newest first.
func (r *Registry) Versions(ctx context.Context, bucket string) ([]Version, error) {
	op := "versions of " + bucket
	repo, list, err := r.tags(ctx, bucket, op)
	if err != nil {
		return nil, err
	}
	channels, err := r.channels(ctx, repo, list)
	if err != nil {
		return nil, r.explain(op, err)
	}
	list = slices.DeleteFunc(list, func(tag string) bool {
		_, isChannel := channels[tag]
		return isChannel || ValidVersion(tag) != nil
	})
	found := make([]Version, len(list))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, tag := range list {
		g.Go(func() error {
			v, err := r.versionNamed(gctx, repo, bucket, tag)
			if err != nil {
				return fmt.Errorf("%s: %w", tag, err)
			}
			v.Channels = pointingTo(channels, v.Name)
			found[i] = v
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, r.explain(op, err)
	}
	found = slices.DeleteFunc(found, func(v Version) bool { return v.Name == "" })
	slices.SortFunc(found, func(a, b Version) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(b.Name, a.Name)
	})
	return found, nil
}

// versionNamed reads the version with the name; the zero Version is a name for
// something else.
func (r *Registry) versionNamed(ctx context.Context, repo repository, bucket, tag string) (Version, error) {
	desc, err := repo.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return Version{}, nil // removed since it was listed
	}
	if err != nil {
		return Version{}, err
	}
	v, err := r.readVersion(ctx, repo, bucket, desc)
	if errors.Is(err, errNotVersion) || err == nil && v.Name != tag {
		return Version{}, nil
	}
	return v, err
}

func sorted(set map[string]bool) []string { return slices.Sorted(maps.Keys(set)) }

// listed reads what the tags of a bucket that are kept stand for.
func listed[T any](ctx context.Context, r *Registry, bucket, op string, keep func(tag string) bool, read func(context.Context, repository, string) (*T, error)) ([]T, error) {
	repo, list, err := r.tags(ctx, bucket, op)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(tag string) bool { return !keep(tag) })
	out, err := readEach(ctx, repo, list, read)
	return out, r.explain(op, err)
}

func beginsWith(prefix string) func(tag string) bool {
	return func(tag string) bool { return strings.HasPrefix(tag, prefix) }
}

// readEach reads what tags stand for, in their order. What read returns nil for
// was removed since it was listed, and is left out.
func readEach[T any](ctx context.Context, repo repository, tags []string, read func(context.Context, repository, string) (*T, error)) ([]T, error) {
	found := make([]*T, len(tags))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(parallel)
	for i, tag := range tags {
		g.Go(func() (err error) {
			if found[i], err = read(gctx, repo, tag); err != nil {
				return fmt.Errorf("%s: %w", tag, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []T
	for _, v := range found {
		if v != nil {
			out = append(out, *v)
		}
	}
	return out, nil
}
