package engine

import (
	"context"
	"slices"
	"sync"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/registry"
)

// farthest is how many versions History looks back for a build.
const farthest = 20

// History answers a plan's questions from a registry. The versions of a
// bucket are read once.
func History(r *registry.Registry) *RegistryHistory {
	return &RegistryHistory{registry: r, versions: map[string]func() ([]registry.Version, error){},
		checkpoints: map[string]func() ([]artifact.Checkpoint, error){}}
}

// RegistryHistory is a plan.History.
type RegistryHistory struct {
	registry *registry.Registry

	mu       sync.Mutex
	versions map[string]func() ([]registry.Version, error)

	checkpoints map[string]func() ([]artifact.Checkpoint, error)
}

// Forget has the versions and the checkpoints of a bucket read anew.
func (h *RegistryHistory) Forget(bucket string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.versions, bucket)
	delete(h.checkpoints, bucket)
}

// Checkpoints lists the checkpoints of a bucket, newest first. They are read
// once.
func (h *RegistryHistory) Checkpoints(ctx context.Context, bucket string) ([]artifact.Checkpoint, error) {
	h.mu.Lock()
	once, ok := h.checkpoints[bucket]
	if !ok {
		once = sync.OnceValues(func() ([]artifact.Checkpoint, error) { return h.registry.Checkpoints(ctx, bucket) })
		h.checkpoints[bucket] = once
	}
	h.mu.Unlock()
	return once()
}

// Lookup returns the record stored under a key.
func (h *RegistryHistory) Lookup(ctx context.Context, bucket string, k key.Key) (artifact.Record, bool, error) {
	return h.registry.Lookup(ctx, bucket, k)
}

// Image returns what a container's image is called where another build begins
// with it.
func (h *RegistryHistory) Image(bucket string, img artifact.Image) string {
	return h.registry.Image(bucket, img)
}

// Last returns the record of a build in the newest version that has it.
func (h *RegistryHistory) Last(ctx context.Context, bucket, build string) (string, artifact.Record, bool, error) {
	return h.find(ctx, bucket, func(rec artifact.Record) bool { return rec.Build == build })
}

// Since returns the newest version that has this very artifact, "" where none does.
func (h *RegistryHistory) Since(ctx context.Context, bucket, build string, k key.Key) (string, error) {
	name, _, _, err := h.find(ctx, bucket, func(rec artifact.Record) bool { return rec.Build == build && rec.Key == k })
	return name, err
}

// find looks for a record in the newest version, and then in older ones.
func (h *RegistryHistory) find(ctx context.Context, bucket string, match func(artifact.Record) bool) (string, artifact.Record, bool, error) {
	latest, found, err := h.latest(ctx, bucket)
	if err != nil || !found {
		return "", artifact.Record{}, false, err
	}
	if i := slices.IndexFunc(latest.Records, match); i >= 0 {
		return latest.Name, latest.Records[i], true, nil
	}
	older, err := h.registry.Versions(ctx, bucket)
	if err != nil {
		return "", artifact.Record{}, false, err
	}
	for _, v := range older[:min(len(older), farthest)] {
		if i := slices.IndexFunc(v.Records, match); i >= 0 {
			return v.Name, v.Records[i], true, nil
		}
	}
	return "", artifact.Record{}, false, nil
}

func (h *RegistryHistory) latest(ctx context.Context, bucket string) (registry.Version, bool, error) {
	h.mu.Lock()
	once, ok := h.versions[bucket]
	if !ok {
		once = sync.OnceValues(func() ([]registry.Version, error) {
			v, found, err := h.registry.Latest(ctx, bucket)
			if err != nil || !found {
				return nil, err
			}
			return []registry.Version{v}, nil
		})
		h.versions[bucket] = once
	}
	h.mu.Unlock()
	list, err := once()
	if err != nil || len(list) == 0 {
		return registry.Version{}, false, err
	}
	return list[0], true, nil
}
