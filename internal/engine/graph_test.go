package engine_test

import (
	"context"
	"errors"
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
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/registry"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors"
)

// yard makes images of images.
type yard struct {
	mu      sync.Mutex
	began   []string // "BUILD of IMAGE", in order
	running int
	most    int    // builds at the same time
	fails   string // address of a build
	begun   func(build string)
	removed []string // images
	posts   []postprocessors.Definition
}

type linkConfig struct {
	yard *yard
	// Image is what to start from.
	Image string `hcl:"image,optional" image:"link"`
	// Size counts.
	Size string `hcl:"size,optional" key:"disk"`
}

func (c *linkConfig) Open(builders.Host) (builders.Builder, error) { return link{c}, nil }

type link struct{ *linkConfig }

func (l link) Resolve(context.Context) (builders.Base, error) {
	if len(op.Tokens(l.Image)) > 0 {
		return builders.Base{}, errors.New("the image is not known yet")
	}
	return builders.Base{ID: l.Image, Name: l.Image}, nil
}
func (link) Supports(op.Kind) error                                  { return nil }
func (link) Exists(context.Context, artifact.Artifact) (bool, error) { return true, nil }
func (link) SourceOf(_ context.Context, a artifact.Artifact) (string, error) {
	return a.ID, nil
}

func (link) Follows(context.Context, builders.Builder, bool) error { return nil }

// Remove removes an image.
func (l link) Remove(_ context.Context, a artifact.Artifact, _ bool) error {
	l.yard.mu.Lock()
	defer l.yard.mu.Unlock()
	l.yard.removed = append(l.yard.removed, a.ID)
	return nil
}

func (l link) Begin(_ context.Context, base builders.Base, env builders.Env) (builders.Session, error) {
	y := l.yard
	y.mu.Lock()
	y.began = append(y.began, env.Build+" of "+base.ID)
	y.running++
	y.most = max(y.most, y.running)
	y.mu.Unlock()
	if y.begun != nil {
		y.begun(env.Build)
	}
	return &linkSession{y, env.Build}, nil
}

type linkSession struct {
	*yard
	build string
}

func (s *linkSession) Vars() op.Values                            { return nil }
func (s *linkSession) Apply(context.Context, builders.Step) error { return nil }
func (s *linkSession) Close(context.Context) error                { return nil }
func (s *linkSession) Seal(context.Context) (artifact.Artifact, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running--
	if s.build == s.fails {
		return artifact.Artifact{}, errors.New("no image")
	}
	return artifact.Artifact{Builder: "link", ID: "image of " + s.build, Places: []artifact.Place{{Name: "yard", ID: s.build}}}, nil
}

const diamond = `
source "link" "top" {
  image = build.link.left.id
  size  = build.link.right.id
}
source "link" "right" {
  image = build.link.base.id
  size  = "1"
}
source "link" "left" { image = build.link.base.id }
source "link" "base" { image = "debian" }
source "link" "alone" {
  image = "debian"
  size  = "1"
}
build { sources = ["link.top", "link.right", "link.left", "link.base", "link.alone"] }
`

func (y *yard) run(ctx context.Context, t *testing.T, dir, text string, o engine.Options, only ...string) (*sink, error) {
	t.Helper()
	file := filepath.Join(dir, "t.pkr.hcl")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	tmpl, diags := lang.Load(lang.Options{Path: file, Now: time.Now(), Secrets: &secret.Set{}, Version: "1.16.0", RunID: "run"})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	reg, err := registry.Open("", filepath.Join(dir, "registry"))
	if err != nil {
		t.Fatal(err)
	}
	def := builders.Definition{Type: "link", New: func() builders.Config { return &linkConfig{yard: y} }}
	p, diags := plan.Compile(tmpl, plan.Components{Builders: []builders.Definition{def}, PostProcessors: y.posts}, plan.Options{Host: builders.Host{Dir: dir, Secrets: &secret.Set{}}, Only: only})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	s := &sink{}
	o.RunID, o.Registry, o.History, o.Events = "run", reg, engine.History(reg), s
	o.Secrets, o.Dir, o.GitCommit = &secret.Set{}, dir, func() string { return "" }
	y.began, y.most = nil, 0
	return s, engine.Run(ctx, p, o)
}

func (s *sink) failures() string {
	var out []string
	for _, e := range s.events {
		if f, ok := e.Body.(event.Failed); ok && e.Build != "" {
			out = append(out, e.Build+": "+f.Err.Error())
		}
	}
	return strings.Join(out, "\n")
}

// Builds run when those that they start from are done, with their images.
func TestGraph(t *testing.T) {
	t.Parallel()
	y, dir := &yard{}, t.TempDir()
	if _, err := y.run(t.Context(), t, dir, diamond, engine.Options{Parallel: 1}); err != nil {
		t.Fatal(err)
	}
	want := []string{"link.base of debian", "link.right of image of link.base", "link.left of image of link.base",
		"link.top of image of link.left", "link.alone of debian"}
	if !slices.Equal(y.began, want) || y.most != 1 {
		t.Errorf("began %q, %d at a time", y.began, y.most)
	}
	if _, err := y.run(t.Context(), t, dir, diamond, engine.Options{}); err != nil || len(y.began) > 0 {
		t.Errorf("unchanged builds ran: %q, %v", y.began, err)
	}
	// What is on the disk of one counts for all that follow it, by whatever option.
	changed := strings.Replace(diamond, `size  = "1"`, `size = "2"`, 1)
	if _, err := y.run(t.Context(), t, dir, changed, engine.Options{}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"link.right of image of link.base", "link.top of image of link.left"}; !slices.Equal(y.began, want) {
		t.Errorf("after a change of one began %q", y.began)
	}
}

// Those that wait for others take no place.
func TestGraphWaiting(t *testing.T) {
	t.Parallel()
	y := &yard{}
	var both sync.WaitGroup // of two that run at the same time, though three others are before one of them
	both.Add(2)
	y.begun = func(build string) {
		if build == "link.base" || build == "link.alone" {
			both.Done()
			both.Wait()
		}
	}
	if _, err := y.run(t.Context(), t, t.TempDir(), diamond, engine.Options{Parallel: 2}); err != nil || y.most != 2 {
		t.Errorf("%d at a time, %v", y.most, err)
	}
}

// A build that fails takes those with it that follow it, and no others.
func TestGraphFails(t *testing.T) {
	t.Parallel()
	y, dir := &yard{fails: "link.left"}, t.TempDir()
	s, err := y.run(t.Context(), t, dir, diamond, engine.Options{})
	if !errors.Is(err, engine.ErrFailed) || !strings.Contains(err.Error(), "2 of 5 builds") {
		t.Errorf("error %v", err)
	}
	if want := "link.left: no image\nlink.top: not run: its parent link.left failed"; s.failures() != want {
		t.Errorf("failures\n%s\nwant\n%s", s.failures(), want)
	}
	if len(y.began) != 4 {
		t.Errorf("began %q", y.began)
	}
	y.fails = ""
	if _, err := y.run(t.Context(), t, dir, diamond, engine.Options{}); err != nil || len(y.began) != 2 {
		t.Errorf("the next run began %q, %v", y.began, err)
	}
}

// A parent that is left out is taken from the registry, or missed at once.
func TestGraphLeftOut(t *testing.T) {
	t.Parallel()
	y, dir := &yard{}, t.TempDir()
	_, err := y.run(t.Context(), t, dir, diamond, engine.Options{}, "link.left", "link.alone")
	if err == nil || !strings.Contains(err.Error(), "its parent link.base is left out of this run, and has to run itself") || len(y.began) > 0 {
		t.Errorf("error %v, began %q", err, y.began)
	}
	if _, err := y.run(t.Context(), t, dir, diamond, engine.Options{}, "link.base"); err != nil {
		t.Fatal(err)
	}
	if _, err := y.run(t.Context(), t, dir, diamond, engine.Options{}, "link.left"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"link.left of image of link.base"}; !slices.Equal(y.began, want) {
		t.Errorf("began %q", y.began)
	}
}

// A run that is cancelled says so of those that were waiting.
func TestGraphCancelled(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	y := &yard{fails: "link.base", begun: func(string) { cancel() }}
	s, err := y.run(ctx, t, t.TempDir(), diamond, engine.Options{Parallel: 1})
	if !errors.Is(err, engine.ErrFailed) || strings.Contains(s.failures(), "not run") || len(y.began) != 1 {
		t.Errorf("error %v, failures\n%s\nbegan %q", err, s.failures(), y.began)
	}
}

// handOver is a post-processor that is done when another build has begun, and
// keeps nothing of its input.
type handOver struct{ begun <-chan struct{} }

func (*handOver) Check(postprocessors.Input) error { return nil }

func (h *handOver) Process(ctx context.Context, in postprocessors.Input) (postprocessors.Result, error) {
	select {
	case <-h.begun:
		return postprocessors.Result{Artifact: artifact.Artifact{ID: "parcel of " + in.Build}}, nil
	case <-ctx.Done():
		return postprocessors.Result{}, ctx.Err()
	}
}

// Builds begin while those that they start from are post-processed, and these
// keep the image.
func TestGraphPostProcesses(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	y := &yard{begun: func(build string) {
		if build == "link.left" {
			close(begun)
		}
	}}
	y.posts = []postprocessors.Definition{{Type: "hand-over", New: func() postprocessors.Processor { return &handOver{begun} }}}
	_, err := y.run(t.Context(), t, t.TempDir(), `
source "link" "left" { image = build.link.base.id }
source "link" "base" { image = "debian" }
build {
  sources = ["link.left", "link.base"]
  post-processor "hand-over" { keep_input_artifact = false }
}
`, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"image of link.left"}; !slices.Equal(y.removed, want) {
		t.Errorf("removed %q, want %q", y.removed, want)
	}
}

// A version says which versions of other buckets its builds began with, where
// one run publishes all of them.
func TestGraphBuckets(t *testing.T) {
	t.Parallel()
	const text = `
source "link" "base" { image = "debian" }
source "link" "app" {
  image = build.link.base.id
  size  = "1"
}
source "link" "beside" { image = build.link.app.id }
build {
  sources = ["link.app"]
  publish { bucket = "app" }
}
build {
  sources = ["link.base", "link.beside"]
  publish { bucket = "base" }
}
`
	y, dir := &yard{}, t.TempDir()
	parts := strings.NewReplacer(`"link.base", "link.beside"`, `"link.base"`) // buckets that do not need each other
	for _, text := range []string{parts.Replace(text), parts.Replace(strings.Replace(text, `"1"`, `"2"`, 1)), strings.Replace(text, `"1"`, `"3"`, 1)} {
		if _, err := y.run(t.Context(), t, dir, text, engine.Options{}); err != nil {
			t.Fatal(err)
		}
	}
	reg, err := registry.Open("", filepath.Join(dir, "registry"))
	if err != nil {
		t.Fatal(err)
	}
	base, err := reg.Versions(t.Context(), "base")
	if err != nil || len(base) != 2 {
		t.Fatalf("versions of base %v, %v", base, err)
	}
	app, err := reg.Versions(t.Context(), "app")
	if err != nil || len(app) != 3 {
		t.Fatalf("versions of app %v, %v", app, err)
	}
	for _, v := range app[1:] {
		if p := v.Records[0].Parents; len(p) != 1 || p[0].Bucket != "base" || p[0].Version != base[1].Name {
			t.Errorf("parents of %s: %+v, want one of %s", v.Name, p, base[1].Name)
		}
	}
}
