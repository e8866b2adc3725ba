package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/engine"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/registry"
	"github.com/ingot-build/ingot/internal/secret"
)

// cloud is what the sources of a test make their images in.
type cloud struct {
	mu       sync.Mutex
	images   int
	done     []string      // what happened, in order
	removed  []string      // ids of images
	deny     error         // of Distribute
	denySeal error         // of Seal
	denyEnd  error         // of Close
	leave    bool          // Close leaves the machine
	hold     chan struct{} // Close waits for it; nil is not at all

	denyTrial error // of Begin, for a test
}

func (c *cloud) note(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = append(c.done, what)
}

func (c *cloud) took() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := c.done
	c.done = nil
	return out
}

// source is its configuration in a template.
type source struct {
	cloud *cloud
	// Name is the image's.
	Name string `hcl:"name,optional"`
	// Regions are where it is copied to.
	Regions []string `hcl:"regions,optional"`
}

func (s *source) Open(builders.Host) (builders.Builder, error) { return builder{s}, nil }

type builder struct{ *source }

func (b builder) Resolve(context.Context) (builders.Base, error) {
	return builders.Base{ID: "base-1", Name: "base"}, nil
}
func (builder) Supports(op.Kind) error { return nil }

func (b builder) Exists(_ context.Context, a artifact.Artifact) (bool, error) {
	b.cloud.mu.Lock()
	defer b.cloud.mu.Unlock()
	return !slices.Contains(b.cloud.removed, a.ID), nil
}

func (b builder) Begin(_ context.Context, _ builders.Base, env builders.Env) (builders.Session, error) {
	if env.Trial && b.cloud.denyTrial != nil {
		return nil, b.cloud.denyTrial
	}
	machine, err := env.Journal.Intend(journal.Resource{Cloud: "test", Place: "one", Kind: "machine", Build: env.Build})
	if err != nil {
		return nil, err
	}
	return &session{b.cloud, env, machine}, machine.Made("m-1")
}

func (b builder) NameOption() string { return "name" }

func (b builder) Distribution() key.Key {
	h := key.New("test/1")
	for _, r := range b.Regions {
		h.String(r)
	}
	return h.Sum()
}

func (b builder) Distribute(_ context.Context, a artifact.Artifact, env builders.Env) (artifact.Artifact, error) {
	b.cloud.note("distribute")
	for _, r := range b.Regions {
		place := artifact.Place{Name: r, ID: a.ID + "-" + r}
		if !slices.Contains(a.Places, place) {
			a.Places = append(slices.Clone(a.Places), place)
		}
	}
	return a, b.cloud.deny
}

type session struct {
	*cloud
	env     builders.Env
	machine *journal.Entry
}

func (s *session) Vars() op.Values                            { return nil }
func (s *session) Apply(context.Context, builders.Step) error { return nil }

func (s *session) Seal(context.Context) (artifact.Artifact, error) {
	if s.denySeal != nil {
		return artifact.Artifact{}, s.denySeal
	}
	s.mu.Lock()
	s.images++
	id := fmt.Sprintf("image-%d", s.images)
	s.mu.Unlock()
	s.note("seal")
	image, err := s.env.Journal.Intend(journal.Resource{Cloud: "test", Place: "one", Kind: "image", Name: id})
	if err != nil {
		return artifact.Artifact{}, err
	}
	return artifact.Artifact{Builder: "cloud", ID: id, Places: []artifact.Place{{Name: "one", ID: id}}}, image.Made(id)
}

func (s *session) Close(ctx context.Context) error {
	if s.hold != nil {
		<-s.hold
	}
	s.note("close")
	if s.denyEnd != nil || s.leave {
		return s.denyEnd
	}
	return s.machine.Gone()
}

// sink keeps events.
type sink struct {
	mu     sync.Mutex
	events []event.Event
	on     func(event.Event)
}

func (s *sink) Emit(e event.Event) {
	s.mu.Lock()
	s.events = append(s.events, e)
	s.mu.Unlock()
	if s.on != nil {
		s.on(e)
	}
}

// told is the kinds of some events, in order, and warnings with their text.
func (s *sink) told() string {
	var out []string
	for _, e := range s.events {
		switch b := e.Body.(type) {
		case event.Phase:
			out = append(out, b.Name)
		case event.Warning:
			out = append(out, "warning: "+b.Text)
		case event.CleanedUp, event.BuildDone, event.Results, event.RunDone, event.Published, event.Skipped:
			out = append(out, strings.TrimPrefix(fmt.Sprintf("%T", b), "event."))
		}
	}
	return strings.Join(out, "\n")
}

// bench is a template and where it runs.
type bench struct {
	*cloud
	t        *testing.T
	dir      string
	journals string
	more     string // in the build block
	force    bool
	runs     int
}

func newBench(t *testing.T) *bench {
	dir := t.TempDir()
	return &bench{cloud: &cloud{}, t: t, dir: dir, journals: filepath.Join(dir, "journal")}
}

func (b *bench) plan(options string) (*plan.Plan, *registry.Registry) {
	b.t.Helper()
	file := filepath.Join(b.dir, "t.pkr.hcl")
	text := "source \"cloud\" \"web\" {\n" + options + "\n}\nbuild {\n  sources = [\"source.cloud.web\"]\n" + b.more + "}\n"
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		b.t.Fatal(err)
	}
	tmpl, diags := lang.Load(lang.Options{Path: file, Now: time.Now(), Secrets: &secret.Set{}, Version: "1.16.0", RunID: "run"})
	if diags.HasErrors() {
		b.t.Fatal(diags)
	}
	reg, err := registry.Open("", filepath.Join(b.dir, "registry"))
	if err != nil {
		b.t.Fatal(err)
	}
	def := builders.Definition{Type: "cloud", New: func() builders.Config { return &source{cloud: b.cloud} }}
	p, diags := plan.Compile(tmpl, plan.Components{Builders: []builders.Definition{def}, Provisioners: looks(), PostProcessors: posts()}, plan.Options{
		Host: builders.Host{Dir: b.dir, Secrets: &secret.Set{}}, Force: b.force,
	})
	if diags.HasErrors() {
		b.t.Fatal(diags)
	}
	return p, reg
}

// run runs the template with these options of its source.
func (b *bench) run(ctx context.Context, options string, on func(event.Event)) (*sink, error) {
	b.t.Helper()
	p, reg := b.plan(options)
	s := &sink{on: on}
	b.runs++
	err := engine.Run(ctx, p, engine.Options{RunID: fmt.Sprintf("run-%d", b.runs), Registry: reg, History: engine.History(reg), Events: s,
		Secrets: &secret.Set{}, Dir: b.dir, Journals: b.journals, Sweep: "ingot sweep", GitCommit: func() string { return "" }})
	return s, err
}

func (b *bench) record(options string) artifact.Record {
	b.t.Helper()
	p, reg := b.plan(options)
	if err := p.Resolve(b.t.Context(), engine.History(reg)); err != nil {
		b.t.Fatal(err)
	}
	if p.Builds[0].Record == nil {
		b.t.Fatal("nothing is recorded")
	}
	return *p.Builds[0].Record
}

func (b *bench) wants(s *sink, err error, want ...string) {
	b.t.Helper()
	if err != nil {
		b.t.Errorf("error %v\n%s", err, s.told())
	}
	if got := b.took(); !slices.Equal(got, want) {
		b.t.Errorf("did %q, want %q", got, want)
	}
}

func failure(s *sink) string {
	for _, e := range s.events {
		if f, ok := e.Body.(event.Failed); ok {
			return f.Err.Error() + "\n" + builders.Hint(f.Err)
		}
	}
	return ""
}
