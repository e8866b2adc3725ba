package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"

	"github.com/ingot-build/ingot/internal/pause"
)

// OCI registries have no "write this tag only if it is new". So a publisher
// first gives the version a tag that nobody else has, "published.TIME.NAME-
// TOKEN" with the name hashed, and then looks who else has one for that name.
// Of two publishers at least the later one sees the other. Who sees nobody
// takes the name at once; who sees somebody waits for the name to appear, and
// takes it when it does not, in the order of the tags. The tags stay: they are
// the order in which versions were published.

const (
	// claimFresh is how long a publisher that was seen may still take the name.
	claimFresh = time.Minute
	// claimTurn is how long each of several publishers is waited for.
	claimTurn = 3 * time.Second
	// claimPoll is how often is looked whether the name has appeared.
	claimPoll = 100 * time.Millisecond
)

// claim names content unless the name is taken.
func (b *remoteBucket) claim(ctx context.Context, desc ocispec.Descriptor, tag string) (*ocispec.Descriptor, error) {
	taken, err := b.holder(ctx, tag)
	if err != nil || taken != nil {
		return taken, err
	}
	mine := publishedTag(tag, time.Now(), token())
	if err := b.Tag(ctx, desc, mine); err != nil {
		return nil, err
	}
	list, err := b.tags(ctx)
	if err != nil {
		return nil, err
	}
	turn := time.Now().Add(waitFor(mine, list))
	for {
		taken, err := b.holder(ctx, tag)
		if err != nil || taken != nil {
			return taken, err
		}
		if !time.Now().Before(turn) {
			return nil, b.Tag(ctx, desc, tag)
		}
		if err := pause.For(ctx, claimPoll); err != nil {
			return nil, err
		}
	}
}

// waitFor returns how long the publisher of a claim waits for the others that
// it sees among tags.
func waitFor(mine string, tags []string) time.Duration {
	rivals, before := 0, 0
	for _, t := range tags {
		if t == mine || !sameClaim(t, mine) || time.Since(publishedAt(t)) > claimFresh {
			continue
		}
		if rivals++; t < mine {
			before++
		}
	}
	if rivals == 0 {
		return 0
	}
	return time.Duration(before+1) * claimTurn
}

// holder returns what a tag stands for, nil for nothing.
func (b *remoteBucket) holder(ctx context.Context, tag string) (*ocispec.Descriptor, error) {
	desc, err := b.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return nil, nil
	}
	return &desc, err
}

func publishedTag(name string, at time.Time, token string) string {
	sum := sha256.Sum256([]byte(name))
	return publishedPrefix + at.UTC().Format(stamp) + "." + hex.EncodeToString(sum[:8]) + "-" + token
}

// sameClaim reports whether two published tags are for one name.
func sameClaim(a, b string) bool {
	return claimOf(a) != "" && claimOf(a) == claimOf(b)
}

// claimOf returns the hash of the name that a published tag is for.
func claimOf(tag string) string {
	rest, ok := strings.CutPrefix(tag, publishedPrefix)
	if !ok || len(rest) != len(stamp)+1+16+1+tokenLength {
		return ""
	}
	return rest[len(stamp)+1 : len(stamp)+1+16]
}

func publishedAt(tag string) time.Time {
	t, _ := time.Parse(stamp, tag[len(publishedPrefix):len(publishedPrefix)+len(stamp)])
	return t
}

// newest returns the version that was published last: the last published tag
// whose version got its name.
func (b *remoteBucket) newest(ctx context.Context) (ocispec.Descriptor, bool, error) {
	list, err := b.tags(ctx)
	if err != nil {
		return ocispec.Descriptor{}, false, err
	}
	published := slices.DeleteFunc(slices.Clone(list), func(t string) bool { return claimOf(t) == "" })
	slices.Sort(published)
	for _, t := range slices.Backward(published) {
		if desc, ok, err := b.named(ctx, t); err != nil || ok {
			return desc, ok, err
		}
	}
	return b.newestOf(ctx, list)
}

// named returns the version of a tag if the version's own name stands for it.
func (b *remoteBucket) named(ctx context.Context, tag string) (ocispec.Descriptor, bool, error) {
	desc, v, err := resolveVersion(ctx, b, "", tag)
	if errors.Is(err, ErrNoVersion) || errors.Is(err, errNotVersion) {
		return desc, false, nil
	}
	if err != nil {
		return desc, false, err
	}
	there, err := b.holder(ctx, v.Name)
	return desc, there != nil && there.Digest == desc.Digest, err
}

// newestOf reads all versions and returns the one made last: for buckets that
// were copied without the published tags.
func (b *remoteBucket) newestOf(ctx context.Context, list []string) (newest ocispec.Descriptor, found bool, err error) {
	var made time.Time
	for _, t := range list {
		if ValidVersion(t) != nil {
			continue
		}
		desc, v, err := resolveVersion(ctx, b, "", t)
		switch {
		case errors.Is(err, ErrNoVersion) || errors.Is(err, errNotVersion) || err == nil && v.Name != t:
			continue
		case err != nil:
			return desc, false, err
		case !found || v.Created.After(made):
			newest, made, found = desc, v.Created, true
		}
	}
	return newest, found, nil
}
