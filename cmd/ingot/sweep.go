package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/ingot-build/ingot/builders"
	buildersall "github.com/ingot-build/ingot/builders/all"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/registry"
	"github.com/ingot-build/ingot/internal/secret"
)

// settling is how long after a call that may have created something it can
// still appear, where the caller died before it had the answer.
const settling = 5 * time.Minute

type sweepFlags struct {
	registry                     string
	dryRun, sandbox, json, color bool
	olderThan                    time.Duration
	regions, held                []string
}

func newSweepCommand() *cobra.Command {
	var f sweepFlags
	cmd := &cobra.Command{
		Use:   "sweep [flags]",
		Short: "Remove what builds that died have left in clouds",
		Long: `Sweep removes the instances, disks, keys and whatever else builds have left in
clouds that were killed or could not clean up. It knows them from the journal
that each build keeps on this host. In the places that the journal names, and in
those of -region, it also finds what carries the marks of your builds, is past
its expiry and is in no journal.

It leaves alone what a build under way uses, what is another user's, and images
that are finished and recorded. What -on-error=hold has left it lists, and
removes when its time is over, or at once with -held.

Checkpoints whose time is up go too, those that the registry has a record of:
the one of -registry, or of the working directory. Others are left alone.

It exits with 0 when nothing is left and with 1 when something could not be
removed.`,
		Example: `  ingot sweep -dry-run                      # what would be removed
  ingot sweep
  ingot sweep -older-than 6h                # leave alone what is younger
  ingot sweep -region eu-west-1 -region my-project/europe-west1-b
  ingot sweep -held 8c0e91f4                # the machines that a run has left too
  ingot sweep -json | jq -r '.resources[].id'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	fl := cmd.Flags()
	fl.BoolVar(&f.dryRun, "dry-run", false, "remove nothing, show what would be removed")
	fl.DurationVar(&f.olderThan, "older-than", 0, "leave alone what is younger than this `time`, e.g. 6h")
	fl.StringSliceVar(&f.regions, "region", nil, "look in this `place` too: a region of EC2, or PROJECT/ZONE of Google Compute Engine; may be repeated")
	fl.StringSliceVar(&f.held, "held", nil, "remove what the `run` holds too, before its time: an id, or all; may be repeated")
	_ = cmd.RegisterFlagCompletionFunc("held", completeHeld)
	fl.StringVar(&f.registry, "registry", "", "`address` of the registry whose expired checkpoints go; default $INGOT_REGISTRY, else .ingot/registry")
	fl.BoolVar(&f.sandbox, "sandbox", false, "sweep the sandbox, not the clouds")
	fl.BoolVar(&f.json, "json", false, "print JSON")
	fl.BoolVar(&f.color, "color", true, "use colours on a terminal")
	return cmd
}

func (f *sweepFlags) run(cmd *cobra.Command) error {
	if f.olderThan < 0 {
		return fmt.Errorf("-older-than=%s: it takes 0 or more", f.olderThan)
	}
	if cmd.Flags().Changed("held") && !slices.ContainsFunc(f.held, func(run string) bool { return run != "" }) {
		return errors.New("-held= names no run")
	}
	ctx, out := cmd.Context(), cmd.OutOrStdout()
	dir, err := journalDir(f.sandbox)
	if err != nil {
		return err
	}
	h, err := f.host(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	dead, err := f.dead(dir, now)
	defer letGo(dead)
	if err != nil {
		reportError(cmd.ErrOrStderr(), err)
	}
	if err := f.release(dir, dead); err != nil {
		return err
	}
	s := &sweep{flags: f, dead: dead, dir: dir, now: now, secrets: h.Secrets, out: out, errs: errorsByCloud{}, paint: painter(colorful(f.color, out))}
	broken := err != nil
	reg, err := registry.Open(cmp.Or(f.registry, os.Getenv("INGOT_REGISTRY")), registry.DefaultLayout)
	if err != nil {
		return err
	}
	s.readExpired(ctx, reg, cmd.ErrOrStderr())
	s.clouds(ctx, h)
	if !f.dryRun {
		s.forget()
		s.forgetExpired(ctx, reg)
	}
	if err := s.report(cmd.ErrOrStderr()); err != nil {
		return err
	}
	if broken || s.failed() {
		return exitCode(exitError)
	}
	return nil
}

// dead returns the dead runs. Until they are let go nobody goes on with them.
func (f *sweepFlags) dead(dir string, now time.Time) ([]journal.Dead, error) {
	for i, name := range f.held {
		f.held[i] = heldRun(dir, name)
	}
	if f.dryRun {
		return journal.ReadDead(dir, now)
	}
	return journal.TakeDead(dir, now)
}

func letGo(dead []journal.Dead) {
	for _, d := range dead {
		_ = d.LetGo() // the lock ends with the process in any case
	}
}

// release has what -held names swept like the rest, and lets go of runs of which
// all stays.
func (f *sweepFlags) release(dir string, dead []journal.Dead) error {
	for _, name := range f.held {
		found := false
		for i := range dead {
			if name == "all" || dead[i].RunID == name {
				found = found || len(dead[i].Held) > 0
				dead[i].Release(func(string) bool { return true })
			}
		}
		switch {
		case found || name == "all":
		case journal.Live(dir, name):
			return fmt.Errorf("-held=%s: the run is under way", name)
		default:
			return fmt.Errorf("-held=%s: no such run is held", name)
		}
	}
	for _, d := range dead {
		if len(d.Resources) == 0 && !d.Released() {
			letGo([]journal.Dead{d})
		}
	}
	return nil
}

// live reports whether a run is under way, or has left something to go on with.
func (s *sweep) live(runID string) bool {
	i := slices.IndexFunc(s.dead, func(d journal.Dead) bool { return d.RunID == runID })
	if i < 0 {
		return s.only != "" || journal.Live(s.dir, runID)
	}
	return len(s.dead[i].Held) > 0
}

// host is where the clouds are reached.
func (f *sweepFlags) host(ctx context.Context) (builders.Host, error) {
	cache, err := cacheDir()
	h := builders.Host{Cache: cache, Secrets: &secret.Set{}, Shared: &sync.Map{}}
	if err != nil || !f.sandbox {
		return h, err
	}
	d, err := sandboxDaemon()
	if err != nil {
		return h, err
	}
	c, err := d.Use(ctx)
	if err != nil {
		return h, err
	}
	h.Sandbox = c.Sandbox()
	return h, nil
}

// clouds has all clouds swept.
func (s *sweep) clouds(ctx context.Context, h builders.Host) {
	for _, sweeper := range buildersall.Sweepers() {
		s.sweepCloud(ctx, h, sweeper)
	}
	s.unknownClouds()
}

// found is a resource that the sweep came upon.
type found struct {
	journal.Resource
	err error
}

// sweepCloud has one cloud swept.
func (s *sweep) sweepCloud(ctx context.Context, h builders.Host, sweeper builders.Sweeper) {
	in := builders.SweepInput{
		Places: s.places(sweeper.Cloud), Now: s.now, OlderThan: s.flags.olderThan, DryRun: s.flags.dryRun,
		Live: s.live, Found: s.note,
	}
	for _, d := range s.dead {
		for _, r := range d.Resources {
			if r.Cloud == sweeper.Cloud && !s.young(r) {
				in.Journal = append(in.Journal, r)
			}
		}
	}
	in.Checkpoints = s.expiredIn(sweeper.Cloud)
	if len(in.Journal) == 0 && len(in.Checkpoints) == 0 && len(in.Places) == 0 {
		return
	}
	if err := sweeper.Sweep(ctx, h, in); err != nil {
		s.errs[sweeper.Cloud] = err
	}
}

// places are those of -region that are the cloud's: Google's have a project.
func (s *sweep) places(cloud string) []string {
	var out []string
	for _, p := range s.flags.regions {
		if strings.Contains(p, "/") == (cloud == "google") {
			out = append(out, p)
		}
	}
	return out
}

func (s *sweep) young(r journal.Resource) bool { return r.Created.After(s.now.Add(-s.flags.olderThan)) }

// unknownClouds says which of the journal's clouds nobody can sweep.
func (s *sweep) unknownClouds() {
	for _, d := range s.dead {
		for _, r := range d.Resources {
			known := slices.ContainsFunc(buildersall.Sweepers(), func(sw builders.Sweeper) bool { return sw.Cloud == r.Cloud })
			if !known {
				s.errs[r.Cloud] = errors.New("the journal names a cloud that this version of ingot does not know")
			}
		}
	}
}

// forget takes from the journals what is gone.
func (s *sweep) forget() {
	for _, d := range s.dead {
		stay := s.staying(d)
		if len(stay) == len(d.Resources) && !d.Released() {
			continue
		}
		if err := d.Forget(stay); err != nil {
			s.errs["journal"] = errors.Join(s.errs["journal"], err)
		}
	}
}

// staying are the resources of a dead run that must stay in its journal.
func (s *sweep) staying(d journal.Dead) []journal.Resource {
	return slices.DeleteFunc(slices.Clone(d.Resources), func(r journal.Resource) bool { return !s.stays(r) })
}

// stays reports whether a resource must stay in the journal.
func (s *sweep) stays(r journal.Resource) bool {
	i := slices.IndexFunc(s.found, func(f found) bool { return same(f.Resource, r) })
	switch {
	case i >= 0:
		return s.found[i].err != nil
	case s.young(r) || s.errs[r.Cloud] != nil:
		return true
	case r.ID == "" && s.now.Sub(r.Created) < settling: // it was not there, and still may come to be
		s.unsure = append(s.unsure, r)
		return true
	}
	return false
}

// same reports whether two are the same resource, of which one may not have its
// id yet.
func same(a, b journal.Resource) bool {
	if a.Cloud != b.Cloud || a.Place != b.Place || a.Kind != b.Kind {
		return false
	}
	if a.ID != "" && b.ID != "" {
		return a.ID == b.ID
	}
	return a.Token != "" && a.Token == b.Token || a.Name != "" && a.Name == b.Name
}
