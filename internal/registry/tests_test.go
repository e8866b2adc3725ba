package registry

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/artifact"
)

func TestTests(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		ctx := context.Background()
		rec := machine("amazon-ebs.web", "ami-1")
		rec.Tested = &artifact.Tested{Key: keyOf("tests"), RunID: "run-1", Tests: []artifact.Test{{Name: "boots", Passed: true}}}
		plain := machine("amazon-ebs.api", "ami-2")
		v := Version{Bucket: "web", Name: "1.4.0", RunID: "run-1", Channels: []string{"production"}, Records: []artifact.Record{rec, plain}}
		if _, _, err := r.Publish(ctx, v); err != nil {
			t.Fatal(err)
		}
		if runs, err := r.Tests(ctx, "web", "1.4.0"); err != nil || len(runs) != 0 {
			t.Fatalf("tests of a new version: %v, %v", runs, err)
		}
		at := time.Date(2026, 8, 6, 10, 0, 0, 0, time.UTC)
		for i, passed := range []bool{true, false} {
			run := TestRun{Version: "production", Time: at.Add(time.Duration(i) * time.Hour), RunID: "run", By: "ann",
				Builds: map[string]artifact.Tested{"amazon-ebs.web": {Key: keyOf("tests"), Tests: []artifact.Test{{Name: "boots", Passed: passed,
					Cases: []artifact.Case{{Name: "port tcp:22 listening", Passed: passed}}}}}}}
			if err := r.PutTests(ctx, "web", run); err != nil {
				t.Fatal(err)
			}
		}
		runs, err := r.Tests(ctx, "web", "1.4.0")
		if err != nil || len(runs) != 2 || !runs[0].Time.After(runs[1].Time) || runs[0].Version != "1.4.0" || runs[0].By != "ann" {
			t.Fatalf("tests: %+v, %v", runs, err)
		}
		last := LastTests(v, runs)
		if web := last["amazon-ebs.web"]; len(last) != 1 || web.Passed() || len(web.Tests[0].Cases) != 1 {
			t.Errorf("last: %+v", last)
		}
		there, ok, err := r.Latest(ctx, "web")
		if err != nil || !ok || there.Name != "1.4.0" || !there.Records[1].Tested.Passed() || there.Records[0].Tested.Passed() {
			t.Errorf("latest: %+v, %v", there, err)
		}
		list, err := r.Versions(ctx, "web")
		if err != nil || len(list) != 1 || !slices.Equal(list[0].Channels, []string{"production"}) {
			t.Errorf("versions: %+v, %v", list, err)
		}
		if buckets, err := r.Buckets(ctx); err != nil || !slices.Equal(buckets, []string{"web"}) {
			t.Errorf("buckets: %v, %v", buckets, err)
		}
		if _, err := r.Tests(ctx, "web", "9.9.9"); !errors.Is(err, ErrNoVersion) {
			t.Errorf("tests of no version: %v", err)
		}
		if _, err := r.GC(ctx, 0); err != nil {
			t.Fatal(err)
		}
		if runs, err := r.Tests(ctx, "web", "1.4.0"); err != nil || len(runs) != 2 {
			t.Errorf("tests after the collection: %v, %v", runs, err)
		}
	})
}
