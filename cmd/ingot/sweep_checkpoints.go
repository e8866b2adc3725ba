package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/registry"
)

// expired is a checkpoint that is to go: from its cloud and from the registry.
type expired struct {
	artifact.Checkpoint
	resource journal.Resource // the zero one where nothing of it is known
}

// readExpired notes the checkpoints of the registry whose time is up. A
// registry that can't be asked is no reason to sweep nothing else.
func (s *sweep) readExpired(ctx context.Context, r *registry.Registry, stderr io.Writer) {
	buckets, err := r.CheckpointBuckets(ctx)
	for _, bucket := range buckets {
		list, lerr := r.Checkpoints(ctx, bucket)
		if err = lerr; err != nil {
			break
		}
		for _, c := range list {
			e := expired{Checkpoint: c}
			if s.now.Before(c.Expires) || c.Sandbox != s.flags.sandbox || c.Created.After(s.now.Add(-s.flags.olderThan)) {
				continue
			}
			if len(c.Resource) > 0 && json.Unmarshal(c.Resource, &e.resource) != nil {
				continue // of a later version of ingot
			}
			if !s.flags.sandbox && elsewhere(e.resource) {
				continue
			}
			s.expired = append(s.expired, e)
		}
	}
	if err != nil {
		reportError(stderr, fmt.Errorf("checkpoints are not looked for: %w", err))
	}
}

// elsewhere reports whether a resource is reached at an address of its own. Only
// the journals of this host may say where credentials are sent to.
func elsewhere(r journal.Resource) bool {
	for name := range r.Access {
		if strings.HasPrefix(name, "endpoint") || name == "universe_domain" {
			return true
		}
	}
	return false
}

// expiredIn are the images of expired checkpoints in a cloud.
func (s *sweep) expiredIn(cloud string) []journal.Resource {
	var out []journal.Resource
	for _, e := range s.expired {
		if e.resource.Cloud == cloud {
			out = append(out, e.resource)
		}
	}
	return out
}

// forgetExpired takes from the registry the checkpoints that are gone.
func (s *sweep) forgetExpired(ctx context.Context, r *registry.Registry) {
	for _, e := range s.expired {
		failed := slices.ContainsFunc(s.found, func(f found) bool { return f.err != nil && same(f.Resource, e.resource) })
		if failed || s.errs[e.resource.Cloud] != nil {
			continue
		}
		if err := r.DropCheckpoint(ctx, e.Checkpoint); err != nil {
			s.errs["registry"] = err
		}
	}
}
