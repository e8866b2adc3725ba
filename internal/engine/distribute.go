package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
)

// distribute brings the image to all its places, with its names, tags and
// shares, where that is not done yet. What it got done is recorded also when it
// fails.
func (b *build) distribute(ctx context.Context, rec artifact.Record) (artifact.Record, error) {
	d, ok := b.Builder.(builders.Distributor)
	if !ok || rec.Distributed == b.Distribution() {
		return rec, nil
	}
	b.enter("distribute", "", 0)
	env := b.env()
	env.Renamed = b.Naming != "" && b.Naming != rec.Named
	a, err := d.Distribute(ctx, rec.Artifact, env)
	if err == nil {
		rec.Distributed, rec.Named = b.Distribution(), b.Naming
	}
	if a.ID != "" {
		rec = distributed(rec, a)
	}
	if rerr := b.record(ctx, rec); rerr != nil && err == nil {
		err = fmt.Errorf("record where the artifact is: %w", rerr)
	}
	if err != nil {
		return rec, &undistributedError{cancelledOr(ctx, fmt.Errorf("distribute: %w", err))}
	}
	return rec, nil
}

// distributed is the record of an artifact that has more places now, which
// those post-processors get that begin with it.
func distributed(rec artifact.Record, a artifact.Artifact) artifact.Record {
	pending := append([]artifact.Pending(nil), rec.Pending...)
	for i := range pending {
		if pending[i].Input.ID == rec.Artifact.ID {
			pending[i].Input = a
		}
	}
	rec.Artifact, rec.Pending = a, pending
	return rec
}

// undistributedError is a build whose image was made and is not yet everywhere.
type undistributedError struct{ error }

func (e *undistributedError) Unwrap() error { return e.error }

// Hint says how to go on.
func (e *undistributedError) Hint() string {
	return andHint(e.error, "the image was made and is kept. Run again to do just what is left")
}

// andHint is the hint that an error has, with more after it.
func andHint(err error, more string) string {
	first := builders.Hint(err)
	if first == "" {
		return more
	}
	return first + ". " + strings.ToUpper(more[:1]) + more[1:]
}
