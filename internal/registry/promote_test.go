package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"

	"github.com/ingot-build/ingot/internal/artifact"
)

func boots(passed bool) *artifact.Tested {
	return &artifact.Tested{Key: keyOf("tests"), Tests: []artifact.Test{{Name: "boots", Passed: passed}, {Name: "answers", Passed: true}}}
}

// publishTested publishes 1.good, whose tests passed, 1.bad, of which one
// failed, and 1.none, of which one build has none.
func publishTested(t *testing.T, r *Registry) {
	t.Helper()
	for name, tested := range map[string][2]*artifact.Tested{"1.good": {boots(true), boots(true)}, "1.bad": {boots(true), boots(false)}, "1.none": {boots(true), nil}} {
		api, web := machine("null.api", name), machine("null.web", name)
		api.Tested, web.Tested = tested[0], tested[1]
		if _, _, err := r.Publish(context.Background(), Version{Bucket: "web", Name: name, Records: []artifact.Record{api, web}}); err != nil {
			t.Fatal(err)
		}
	}
}

// retested stores that the tests of a version came to something else later.
func retested(t *testing.T, r *Registry, version string, passed bool, after time.Duration) {
	t.Helper()
	err := r.PutTests(context.Background(), "web", TestRun{Version: version, Time: time.Now().Add(after), Builds: map[string]artifact.Tested{"null.web": *boots(passed)}})
	if err != nil {
		t.Fatal(err)
	}
}

// moves is the history of a channel, the oldest first, on one line.
func moves(t *testing.T, r *Registry, channel string) string {
	t.Helper()
	list, err := r.History(context.Background(), "web", channel)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, m := range slices.Backward(list) {
		text := m.From + ">" + m.To + " " + m.By
		if m.Approved != "" {
			text += "+" + m.Approved
		}
		for word, said := range map[string]bool{" untested": m.Untested, " back": m.Rollback} {
			if said {
				text += word
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

// What did not pass its tests is promoted by none of the ways to a channel but
// where that is asked for, and then the history says so.
func TestPromoteTested(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		publishTested(t, r)
		ctx := context.Background()
		for version, why := range map[string]string{"1.bad": "null.web: test boots failed", "1.none": "null.web: it was never tested"} {
			_, err := r.Promote(ctx, "web", version, "production", Ask{By: "ann"})
			checkError(t, err, "web:"+version+" did not pass its tests: "+why, "ingot test web:"+version, "ingot promote web "+version+" production -untested")
		}
		for _, tt := range []struct{ version, before string }{{"1.good", ""}, {"1.bad", "1.good"}, {"1.good", "1.bad"}, {"1.none", "1.good"}} {
			out, err := r.Promote(ctx, "web", tt.version, "production", Ask{By: "ann", Untested: true})
			want := Outcome{Bucket: "web", Version: tt.version, Channel: "production", From: tt.before, Moved: true, By: "ann", Untested: tt.version != "1.good"}
			if err != nil || out != want {
				t.Errorf("%+v, %v, want %+v", out, err, want)
			}
		}
		// It is there already: nothing moves, so nothing is asked.
		if out, err := r.Promote(ctx, "web", "production", "production", Ask{}); err != nil || !out.Moved {
			t.Errorf("%+v, %v", out, err)
		}
		if got, want := moves(t, r, "production"), ">1.good ann, 1.good>1.bad ann untested, 1.bad>1.good ann, 1.good>1.none ann untested"; got != want {
			t.Errorf("history %s, want %s", got, want)
		}
	})
}

// The last run of the tests counts, also for the channels of a template. That
// needs no tests of what it has none of.
func TestPromoteRetested(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		publishTested(t, r)
		ctx := context.Background()
		point := func(version, channel string) error {
			v, _, err := r.Version(ctx, "web", version)
			if err != nil {
				t.Fatal(err)
			}
			p, err := r.PointChannels(ctx, v, []string{channel}, "run 1")
			if err == nil && (len(p.Moved) != 1 || len(p.Requested) > 0) {
				t.Errorf("%s: %+v", version, p)
			}
			return err
		}
		checkError(t, point("1.bad", "staging"), "null.web: test boots failed", "ingot test web:1.bad")
		for _, version := range []string{"1.none", "1.good"} {
			if err := point(version, "staging"); err != nil {
				t.Error(err)
			}
		}
		retested(t, r, "1.good", false, time.Minute)
		retested(t, r, "1.bad", true, time.Minute)
		checkError(t, point("1.good", "edge"), "null.web: test boots failed")
		if err := point("1.good", "staging"); err != nil { // where it is
			t.Error(err)
		}
		if err := point("1.bad", "edge"); err != nil {
			t.Error(err)
		}
		retested(t, r, "1.bad", false, -time.Hour) // by a clock that is slow
		checkError(t, point("1.bad", "late"), "null.web: test boots failed")
		v, _, _ := r.Version(ctx, "web", "1.good")
		v.Channels = []string{"edge"}
		_, _, err := r.Publish(ctx, v)
		checkError(t, err, "web:1.good did not pass its tests")
		if got, want := moves(t, r, "staging")+"; "+moves(t, r, "edge"), ">1.none run 1, 1.none>1.good run 1; >1.bad run 1"; got != want {
			t.Errorf("history %s, want %s", got, want)
		}
	})
}

// A channel with approval moves when somebody approves, whoever asks.
func TestApprove(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		publishTested(t, r)
		ctx := context.Background()
		if err := r.SetSettings(ctx, "web", "production", "ann", Settings{Approval: true}); err != nil {
			t.Fatal(err)
		}
		if s, err := r.Settings(ctx, "web", "production"); err != nil || !s.Approval {
			t.Errorf("settings %+v, %v", s, err)
		}
		good, _, err := r.Version(ctx, "web", "1.good")
		if err != nil {
			t.Fatal(err)
		}
		if p, err := r.PointChannels(ctx, good, []string{"production"}, "run 1"); err != nil || len(p.Moved) > 0 || !slices.Equal(p.Requested, []string{"production"}) {
			t.Errorf("%+v, %v", p, err)
		}
		for version, untested := range map[string]bool{"1.good": false, "1.bad": true} {
			out, err := r.Promote(ctx, "web", version, "production", Ask{By: "ann", Comment: "now", Untested: untested})
			if err != nil || out.Moved || out.Untested != untested {
				t.Errorf("%s: %+v, %v", version, out, err)
			}
		}
		if _, err := r.Promote(ctx, "web", "1.none", "production", Ask{}); !errors.As(err, new(*UntestedError)) {
			t.Errorf("a request for what was not tested: %v", err)
		}
		checkRequests(t, r, "1.bad ann now true", "1.good ann now false")

		// What fails between the two is in the way.
		retested(t, r, "1.good", false, time.Minute)
		_, err = r.Approve(ctx, "web", "1.good", "production", Ask{By: "bob"})
		checkError(t, err, "web:1.good did not pass its tests: null.web: test boots failed", "ingot test web:1.good")
		retested(t, r, "1.good", true, 2*time.Minute)
		for _, version := range []string{"1.good", "1.bad"} {
			out, err := r.Approve(ctx, "web", version, "production", Ask{By: "bob"})
			if err != nil || !out.Moved || out.By != "ann" || out.Approved != "bob" {
				t.Errorf("%+v, %v", out, err)
			}
			_, err = r.Approve(ctx, "web", version, "production", Ask{By: "bob"})
			checkError(t, err, "nobody asks for this version", "ingot promote web "+version+" production")
		}
		checkRequests(t, r)
		if got, want := moves(t, r, "production"), ">1.good ann+bob, 1.good>1.bad ann+bob untested"; got != want {
			t.Errorf("history %s, want %s", got, want)
		}
		_, err = r.Approve(ctx, "web", "9.9", "production", Ask{})
		checkError(t, err, "no such version or channel", "list web")
	})
}

func checkRequests(t *testing.T, r *Registry, want ...string) {
	t.Helper()
	list, err := r.Requests(context.Background(), "web")
	var got []string
	for _, q := range list {
		if q.Bucket != "web" || q.Channel != "production" || q.Time.IsZero() {
			t.Errorf("request %+v", q)
		}
		got = append(got, fmt.Sprintf("%s %s %s %t", q.Version, q.By, q.Comment, q.Untested))
	}
	if slices.Sort(got); err != nil || !slices.Equal(got, want) {
		t.Errorf("requests %q, %v, want %q", got, err, want)
	}
}

// A rollback goes back by one each time, or to any version that the channel
// once was, and to no other.
func TestRollback(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		publishTested(t, r)
		ctx := context.Background()
		_, err := r.Rollback(ctx, "web", "production", "", Ask{})
		checkError(t, err, "there is no such channel", "ingot registry channel web lists them")
		for _, version := range []string{"1.none", "1.bad", "1.good"} {
			if _, err := r.Promote(ctx, "web", version, "production", Ask{Untested: true}); err != nil {
				t.Fatal(err)
			}
		}
		if err := r.SetSettings(ctx, "web", "production", "ann", Settings{Approval: true}); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct{ to, from, want string }{{"", "1.good", "1.bad"}, {"", "1.bad", "1.none"}, {"1.good", "1.none", "1.good"}} {
			out, err := r.Rollback(ctx, "web", "production", tt.to, Ask{By: "carol"})
			if err != nil || !out.Moved || out.Version != tt.want || out.From != tt.from {
				t.Errorf("to %q: %+v, %v", tt.to, out, err)
			}
		}
		_, err = r.Rollback(ctx, "web", "production", "0.9", Ask{})
		checkError(t, err, "it never was production", "ingot promote web 0.9 production")
		if got := moves(t, r, "production"); !strings.HasSuffix(got, "1.good>1.bad carol back, 1.bad>1.none carol back, 1.none>1.good carol back") {
			t.Errorf("history %s", got)
		}
	})
}

// A move that broke off before the channel's tag was written, and one by a host
// whose clock is wrong, are in the history: a rollback starts from where the
// channel is.
func TestRollbackFromWhereItIs(t *testing.T) {
	t.Parallel()
	stores(t, func(t *testing.T, r *Registry) {
		publishTested(t, r)
		ctx := context.Background()
		repo, err := r.repository("web")
		if err != nil {
			t.Fatal(err)
		}
		// noted writes a move into the history, and nothing else.
		noted := func(from, to string, at time.Time) {
			desc, err := pushManifest(ctx, repo, ocispec.Manifest{ArtifactType: MoveType, Annotations: map[string]string{
				ocispec.AnnotationCreated: at.UTC().Format(time.RFC3339Nano), annFrom: from, annTo: to, annToken: token()}})
			if err == nil {
				err = repo.name(ctx, desc, moveTag("production", at, token()))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		for _, version := range []string{"1.none", "1.bad"} {
			if _, err := r.Promote(ctx, "web", version, "production", Ask{Untested: true}); err != nil {
				t.Fatal(err)
			}
		}
		noted("1.bad", "1.good", time.Now())
		out, err := r.Rollback(ctx, "web", "production", "", Ask{})
		if err != nil || out.Version != "1.none" || out.From != "1.bad" {
			t.Errorf("after a move that broke off: %+v, %v", out, err)
		}
		noted("", "1.none", time.Now().Add(time.Hour)) // by a clock that is fast
		if _, err := r.Promote(ctx, "web", "1.good", "production", Ask{}); err != nil {
			t.Fatal(err)
		}
		out, err = r.Rollback(ctx, "web", "production", "", Ask{})
		if err != nil || out.Version != "1.none" || out.From != "1.good" {
			t.Errorf("after a move in the future: %+v, %v", out, err)
		}
	})
}
