package amazon_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon"
	"github.com/ingot-build/ingot/builders/buildertest"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
	"github.com/ingot-build/ingot/internal/secret"
)

func TestMain(m *testing.M) { sandboxtest.Main(m) }

const baseImage = "ami-0123456789abcdef0"

// config returns a source that bakes an image called name.
func config(name string) *amazon.Config {
	c := amazon.DefinitionEBS().New().(*amazon.Config)
	c.SourceAMI, c.InstanceType, c.Username, c.Name = baseImage, "t3.micro", "admin", name
	c.Region = "eu-west-1"
	return c
}

// world is a sandbox and what the builders of one process share.
type world struct {
	*sandboxtest.Sandbox
	shared sync.Map
}

func start(t *testing.T, o sandboxtest.Options) *world {
	t.Helper()
	return &world{Sandbox: sandboxtest.Start(t, o)}
}

func (w *world) open(t *testing.T, c builders.Config) builders.Builder {
	t.Helper()
	b, err := c.Open(builders.Host{Dir: t.TempDir(), Secrets: &secret.Set{}, Sandbox: w.Host(), Shared: &w.shared})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

type lines struct {
	mu   sync.Mutex
	text []string
}

func (l *lines) Emit(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch b := e.Body.(type) {
	case event.Say:
		l.text = append(l.text, "==> "+b.Text)
	case event.Output:
		l.text = append(l.text, b.Text)
	case event.Warning:
		l.text = append(l.text, "warning: "+b.Text)
	}
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.text, "\n")
}

func TestBake(t *testing.T) {
	t.Parallel()
	w := start(t, sandboxtest.Options{})
	b := w.open(t, config("web-1"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	base, err := b.Resolve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v", base)
	var said lines
	env := builders.Env{RunID: "run-1", Build: "amazon-ebs.web", Log: event.Log{Sink: &said}}
	defer func() { t.Log(said.String()) }()
	start := time.Now()
	s, err := b.Begin(ctx, base, env)
	if err != nil {
		t.Fatalf("%v; hint %q", err, builders.Hint(err))
	}
	t.Logf("begun after %s", time.Since(start))
	if err := s.Apply(ctx, builders.Step{Ops: []op.Op{&op.Exec{Argv: []string{"/bin/sh", "-c", "echo hello > ~/baked; id"}}}}); err != nil {
		t.Fatal(err)
	}
	a, err := s.Seal(ctx)
	if err != nil {
		t.Fatalf("%v; hint %q", err, builders.Hint(err))
	}
	t.Logf("sealed after %s: %+v", time.Since(start), a)
	if err := s.Close(ctx); err != nil {
		t.Fatal(err)
	}
	t.Logf("closed after %s", time.Since(start))
	for _, l := range w.Leaks() {
		t.Log(l)
	}
	t.Log(w.Faults.Calls())
}

func TestConformance(t *testing.T) {
	t.Parallel()
	w := start(t, sandboxtest.Options{})
	n := 0
	name := func() string { n++; return strings.Repeat("web-", 1) + string(rune('a'+n/26)) + string(rune('a'+n%26)) }
	buildertest.Run(t, buildertest.Harness{
		New: func(t *testing.T) builders.Builder { return w.open(t, config(name())) },
		Broken: func(t *testing.T) builders.Builder {
			c := config(name())
			c.Username, c.HandshakeAttempts = "nobody-there", 1
			return w.open(t, c)
		},
		Reopen: func(t *testing.T, a artifact.Artifact) builders.Builder {
			c := config(name())
			c.SourceAMI = a.Places[0].ID
			return w.open(t, c)
		},
		Leaks: func() []string {
			var out []string
			for _, l := range w.Leaks() {
				if !strings.Contains(l, " image ") && !strings.Contains(l, " snapshot ") {
					out = append(out, l)
				}
			}
			return out
		},
	})
}
