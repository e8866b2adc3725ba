package registry

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/artifact"
)

func TestCheckpoints(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		ctx := context.Background()
		at := time.Date(2026, 8, 6, 10, 0, 0, 0, time.UTC)
		put := func(name, image string, step int) artifact.Checkpoint {
			c := artifact.Checkpoint{Bucket: "web", Build: "amazon-ebs.web", Key: keyOf(name), Step: step, Name: name, RunID: "run-1",
				Artifact: artifact.Artifact{Builder: "amazon-ebs", ID: image}, Created: at.Add(time.Duration(step) * time.Minute), Expires: at.Add(time.Hour)}
			if err := r.PutCheckpoint(ctx, c); err != nil {
				t.Fatal(err)
			}
			return c
		}
		images := func() []string {
			list, err := r.Checkpoints(ctx, "web")
			if err != nil {
				t.Fatal(err)
			}
			var out []string
			for _, c := range list {
				out = append(out, c.Artifact.ID)
			}
			return out
		}
		if got := images(); len(got) != 0 {
			t.Fatalf("in an empty bucket: %v", got)
		}
		one := put("one", "ami-1", 1)
		put("two", "ami-2", 2)
		three := put("one", "ami-3", 3) // in place of the first
		if got := images(); !slices.Equal(got, []string{"ami-3", "ami-2"}) {
			t.Fatalf("checkpoints: %v", got)
		}
		if list, err := r.CheckpointBuckets(ctx); err != nil || !slices.Contains(list, "web") {
			t.Errorf("buckets with checkpoints: %v, %v", list, err)
		}
		if v, found, err := r.Latest(ctx, "web"); err != nil || found {
			t.Errorf("latest: %+v, %v", v, err)
		}
		if list, err := r.Versions(ctx, "web"); err != nil || len(list) != 0 {
			t.Errorf("versions: %+v, %v", list, err)
		}
		if _, err := r.GC(ctx, 0); err != nil {
			t.Fatal(err)
		}
		if err := r.DropCheckpoint(ctx, one); err != nil { // another one is in its place by now
			t.Fatal(err)
		}
		if got := images(); !slices.Equal(got, []string{"ami-3", "ami-2"}) {
			t.Fatalf("checkpoints: %v", got)
		}
		for range 2 {
			if err := r.DropCheckpoint(ctx, three); err != nil {
				t.Fatal(err)
			}
		}
		if got := images(); !slices.Equal(got, []string{"ami-2"}) {
			t.Errorf("after one was dropped: %v", got)
		}
		other := one
		other.Build, other.Artifact.ID, other.Created = "amazon-ebs.api", "ami-5", at
		if err := r.PutCheckpoint(ctx, other); err != nil { // of a build that does the same
			t.Fatal(err)
		}
		put("one", "ami-4", 4)
		if got := images(); !slices.Equal(got, []string{"ami-4", "ami-2", "ami-5"}) {
			t.Errorf("after it was made again: %v", got)
		}
	})
}
