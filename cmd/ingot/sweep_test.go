package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/secret"
)

// swept is a sweep whose journal has what a dead run left.
func swept(t *testing.T, f *sweepFlags, left ...journal.Resource) (*sweep, *strings.Builder) {
	t.Helper()
	dir := t.TempDir()
	j := journal.Open(dir, "run")
	for _, r := range left {
		e, err := j.Intend(r)
		if err == nil && r.ID != "" {
			err = e.Made(r.ID)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	dead, err := journal.ReadDead(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	return &sweep{flags: f, dead: dead, dir: dir, now: time.Now(), secrets: &secret.Set{}, out: &out,
		paint: func(_, text string) string { return text }, errs: errorsByCloud{}}, &out
}

func made(kind, id string, age time.Duration) journal.Resource {
	return journal.Resource{Cloud: "amazon", Place: "eu-west-1", Kind: kind, Name: kind + "-name", ID: id,
		Build: "amazon-ebs.web", Created: time.Now().Add(-age)}
}

func kinds(t *testing.T, dir string) []string {
	t.Helper()
	dead, err := journal.ReadDead(dir, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	out := []string{}
	for _, d := range dead {
		for _, r := range d.Resources {
			out = append(out, r.Kind)
		}
	}
	return out
}

// The journal keeps what could not be removed, what is too young, and what may
// still come to be.
func TestForget(t *testing.T) {
	t.Parallel()
	s, out := swept(t, &sweepFlags{olderThan: time.Hour},
		made("removed", "i-1", 2*time.Hour), made("failed", "i-2", 2*time.Hour), made("gone", "i-3", 2*time.Hour),
		made("young", "i-4", time.Minute), made("never-made", "", 2*time.Hour))
	s.note(made("removed", "i-1", 0), nil)
	s.note(made("failed", "i-2", 0), errors.New("in use"))
	s.forget()
	if got, want := kinds(t, s.dir), []string{"failed", "young"}; !slices.Equal(got, want) {
		t.Errorf("the journal has %q, want %q", got, want)
	}
	if !s.failed() {
		t.Error("it has not failed")
	}
	for _, want := range []string{"removed  amazon eu-west-1  removed i-1 removed-name  of amazon-ebs.web", "failed   amazon eu-west-1  failed i-2", ": in use\n"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestForgetUnsure(t *testing.T) {
	t.Parallel()
	s, out := swept(t, &sweepFlags{}, made("maybe", "", time.Second), made("found", "", time.Second))
	s.note(made("found", "i-1", 0), nil) // by its name
	s.forget()
	if got, want := kinds(t, s.dir), []string{"maybe"}; !slices.Equal(got, want) {
		t.Errorf("the journal has %q, want %q", got, want)
	}
	if err := s.report(out); err != nil || s.failed() {
		t.Error(err, s.errs)
	}
	if !strings.Contains(out.String(), "1 call was under way when a build died and has made nothing so far. To be sure, sweep again after ") {
		t.Errorf("says\n%s", out)
	}
}

// A cloud that could not be asked keeps all of its journal, and its error is
// told once.
func TestSweepFails(t *testing.T) {
	t.Parallel()
	s, out := swept(t, &sweepFlags{}, made("instance", "i-1", time.Hour), made("volume", "v-1", time.Hour))
	s.note(made("volume", "v-1", 0), errors.New("in use"))
	s.errs["amazon"] = errors.Join(errors.New("no credentials"), errors.New("volume v-1 in eu-west-1: in use"))
	s.forget()
	if got := kinds(t, s.dir); len(got) != 2 {
		t.Errorf("the journal has %q", got)
	}
	if err := s.report(out); err != nil {
		t.Error(err)
	}
	if strings.Count(out.String(), "in use") != 1 || !strings.Contains(out.String(), "Error: amazon: no credentials\n") || !strings.Contains(out.String(), "stays in the journal") {
		t.Errorf("says\n%s", out)
	}
}

func TestSweepNames(t *testing.T) {
	t.Parallel()
	s, _ := swept(t, &sweepFlags{regions: []string{"eu-west-1", "my-project/europe-west1-b"}}, journal.Resource{Cloud: "other", Kind: "thing"})
	if got := s.places("amazon"); !slices.Equal(got, []string{"eu-west-1"}) {
		t.Errorf("amazon: %q", got)
	}
	if got := s.places("google"); !slices.Equal(got, []string{"my-project/europe-west1-b"}) {
		t.Errorf("google: %q", got)
	}
	s.unknownClouds()
	if s.errs["other"] == nil {
		t.Error("a cloud that nobody can sweep is no error")
	}
}

func TestSweepJSON(t *testing.T) {
	t.Parallel()
	s, out := swept(t, &sweepFlags{json: true, dryRun: true}, made("maybe", "", time.Second))
	s.note(made("instance", "i-1", 0), nil)
	s.note(made("volume", "v-1", 0), errors.New("in use"))
	if err := s.report(os.Stderr); err != nil {
		t.Fatal(err)
	}
	var doc struct {
		DryRun    bool `json:"dry_run"`
		Resources []struct {
			ID, Error string
			Removed   bool
		}
		Unsure []struct{}
		Errors []string
	}
	if err := json.Unmarshal([]byte(out.String()), &doc); err != nil {
		t.Fatal(err)
	}
	if !doc.DryRun || len(doc.Resources) != 2 || doc.Resources[0].Removed || doc.Resources[1].Error != "in use" {
		t.Errorf("%s", out)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "run.jsonl")); err != nil {
		t.Error("a dry run changed the journal")
	}
}

// A registry does not say where credentials are sent to.
func TestElsewhere(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{"profile": false, "role_arn": false, "credentials_file": false,
		"endpoint": true, "endpoint.compute": true, "universe_domain": true} {
		if got := elsewhere(journal.Resource{Access: map[string]string{name: "x"}}); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
}
