// Package hcppacker is what the data sources of HCP Packer have in common. They
// are answered from ingot's own registry.
package hcppacker

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/datasources"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/registry"
)

// Active is the status of a version: all that are published are to be used.
const Active = "VERSION_ACTIVE"

// Query is what versions are asked for by.
type Query struct {
	Bucket      string // the letters of its name may be of either case
	Channel     string
	Fingerprint string // of a version, or its name; where Channel is ""
}

// Channel checks that an option is a name that a channel may have.
func Channel(option, name string) error {
	if name == "" {
		return component.Errorf(option, "is empty")
	}
	if err := registry.ValidChannel(name); err != nil {
		return &component.OptionError{Option: option, Message: fmt.Sprintf("%q is not a valid name", name), Advice: builders.Hint(err)}
	}
	return nil
}

// Bucket checks that an option is a name that a bucket may have.
func Bucket(option, name string) error {
	if name == "" {
		return component.Errorf(option, "is empty")
	}
	if err := registry.ValidBucket(strings.ToLower(name)); err != nil {
		return &component.OptionError{Option: option, Message: fmt.Sprintf("%q is not a valid name", name), Advice: builders.Hint(err)}
	}
	return nil
}

// OneOf checks that one of two options is set.
func OneOf(first, a, second, b string) error {
	switch {
	case a == "" && b == "":
		return component.Errorf(first, "either %s or %s must be set", first, second)
	case a != "" && b != "":
		return component.Errorf(second, "only one of %s and %s may be set", first, second)
	}
	return nil
}

// Find returns the version that is asked for.
func Find(ctx context.Context, in datasources.Input, q Query) (registry.Version, datasources.Versions, error) {
	r, err := in.Registry()
	if err != nil {
		return registry.Version{}, nil, err
	}
	q.Bucket = strings.ToLower(q.Bucket)
	if q.Channel != "" {
		v, err := pointedTo(ctx, r, q)
		return v, r, err
	}
	list, err := r.Versions(ctx, q.Bucket)
	if err != nil {
		return registry.Version{}, nil, err
	}
	for _, v := range list {
		if v.Name == q.Fingerprint || Fingerprint(v) == q.Fingerprint {
			return v, r, nil
		}
	}
	if len(list) == 0 {
		return registry.Version{}, nil, noBucket(ctx, r, q.Bucket)
	}
	var names []string
	for _, v := range list {
		names = append(names, v.Name, Fingerprint(v))
	}
	return registry.Version{}, nil, builders.WithHint(fmt.Errorf("%s: no version has the fingerprint %q%s", at(r, q.Bucket), q.Fingerprint, near(q.Fingerprint, names)),
		"what there is: ingot registry list "+q.Bucket)
}

// pointedTo returns the version that a channel points to.
func pointedTo(ctx context.Context, r datasources.Versions, q Query) (registry.Version, error) {
	channels, err := r.Channels(ctx, q.Bucket)
	if err != nil {
		return registry.Version{}, err
	}
	if name := channels[q.Channel]; name != "" {
		v, found, err := r.Version(ctx, q.Bucket, name)
		if err != nil || found {
			return v, err
		}
	}
	if len(channels) == 0 {
		if _, found, err := latest(ctx, r, q.Bucket); err != nil || !found {
			return registry.Version{}, orNoBucket(ctx, r, q.Bucket, err)
		}
	}
	return registry.Version{}, builders.WithHint(fmt.Errorf("%s: it has no channel %q%s", at(r, q.Bucket), q.Channel, near(q.Channel, slices.Collect(maps.Keys(channels)))),
		"what there is: ingot registry list "+q.Bucket+". A channel is made by: ingot promote "+q.Bucket+" VERSION "+q.Channel)
}

func latest(ctx context.Context, r datasources.Versions, bucket string) (registry.Version, bool, error) {
	list, err := r.Versions(ctx, bucket)
	if err != nil || len(list) == 0 {
		return registry.Version{}, false, err
	}
	return list[0], true, nil
}

func orNoBucket(ctx context.Context, r datasources.Versions, bucket string, err error) error {
	if err != nil {
		return err
	}
	return noBucket(ctx, r, bucket)
}

// noBucket says that nothing was published to a bucket, and which one was
// perhaps meant. Many registries do not list theirs.
func noBucket(ctx context.Context, r datasources.Versions, bucket string) error {
	names, err := r.Buckets(ctx)
	if err != nil {
		names = nil
	}
	return builders.WithHint(fmt.Errorf("%s: nothing was published to it%s", at(r, bucket), near(bucket, names)),
		"what there is: ingot registry list -registry "+r.Address())
}

func at(r datasources.Versions, bucket string) string {
	return fmt.Sprintf("bucket %s in %s", bucket, r.Address())
}

// near says which name was perhaps meant.
func near(name string, names []string) string {
	slices.Sort(names)
	if n := component.Nearest(name, names); n != "" {
		return fmt.Sprintf("; did you mean %q?", n)
	}
	return ""
}

// Fingerprint is what tells a version from others of its bucket: what
// HCP_PACKER_BUILD_FINGERPRINT said, else the id of the run that published it.
func Fingerprint(v registry.Version) string {
	if v.Fingerprint != "" {
		return v.Fingerprint
	}
	return v.RunID
}

// Time writes a time as HCP does.
func Time(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
