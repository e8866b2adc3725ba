package amazon_test

import (
	"context"
	"errors"
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
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/sandboxtest"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
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

// begin begins a session that ends with the test.
func (w *world) begin(t *testing.T, c builders.Config, said *lines) (builders.Session, error) {
	t.Helper()
	b := w.open(t, c)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	base, err := b.Resolve(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s, err := b.Begin(ctx, base, builders.Env{RunID: "run-1", Build: "amazon-ebs.web", Log: event.Log{Sink: said}})
	if err == nil {
		t.Cleanup(func() { _ = s.Close(context.Background()) })
	}
	return s, err
}

func shell(script string) builders.Step {
	return builders.Step{Ops: []op.Op{&op.Exec{Argv: []string{"/bin/sh", "-c", script}}}}
}

// TestClearKey leaves no key of the build on the image.
func TestClearKey(t *testing.T) {
	t.Parallel()
	w := start(t, sandboxtest.Options{})
	c := config("web-1")
	c.ClearAuthorizedKeys = true
	var said lines
	s, err := w.begin(t, c, &said)
	if err != nil {
		t.Fatalf("%v; hint %q", err, builders.Hint(err))
	}
	key := strings.Fields(s.Vars()["build.SSHPublicKey"].Reveal())[1]
	if err := s.Apply(t.Context(), shell("grep -qF "+key+" ~/.ssh/authorized_keys && echo other >> ~/.ssh/authorized_keys")); err != nil {
		t.Fatal(err)
	}
	a, err := s.Seal(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c = config("web-2")
	c.SourceAMI = a.Places[0].ID
	if s, err = w.begin(t, c, &said); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), shell("! grep -qF "+key+" ~/.ssh/authorized_keys && grep -q other ~/.ssh/authorized_keys")); err != nil {
		t.Errorf("%v; %s", err, said.String())
	}
}

// TestNeverAnswers shows the console of a machine that is not reached.
func TestNeverAnswers(t *testing.T) {
	t.Parallel()
	w := start(t, sandboxtest.Options{})
	c := config("web-1")
	c.Port, c.Timeout = 2222, 3*time.Second
	c.UserData = "#!/bin/sh\necho the machine says hello\npassword=let-me-in\n"
	c.Password = secret.Sensitive("let-me-in")
	var said lines
	_, err := w.begin(t, c, &said)
	if err == nil || !strings.Contains(err.Error(), ":2222: can't connect within") || !strings.Contains(builders.Hint(err), "its console ends with") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
	if !strings.Contains(said.String(), "the machine says hello") {
		t.Errorf("the console is not shown:\n%s", said.String())
	}
	if !strings.Contains(said.String(), "user_data has a sensitive value") {
		t.Errorf("no warning:\n%s", said.String())
	}
	for _, left := range w.Leaks() {
		t.Errorf("left behind: %s", left)
	}
}

// TestExpires has credentials that expire in the middle of a build.
func TestExpires(t *testing.T) {
	t.Parallel()
	w := start(t, sandboxtest.Options{})
	var said lines
	s, err := w.begin(t, config("web-1"), &said)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Faults.Add(fault.Rule{Call: "*", Do: fault.Error, Code: "RequestExpired", Status: 400, Times: -1}); err != nil {
		t.Fatal(err)
	}
	_, err = s.Seal(t.Context())
	if err == nil || !strings.Contains(err.Error(), "create the image web-1: Request has expired (RequestExpired)") || !strings.Contains(builders.Hint(err), "log in again") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
	if err := s.Close(t.Context()); err == nil || !strings.Contains(builders.Hint(err), "ingot sweep") {
		t.Errorf("close: %v, hint %q", err, builders.Hint(err))
	}
	w.Faults.Clear()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	for _, left := range w.Leaks() {
		t.Errorf("left behind: %s", left)
	}
}

// TestEndsItself says so when a step shuts the machine down, and when EC2 takes
// it back.
func TestEndsItself(t *testing.T) {
	t.Parallel()
	w := start(t, sandboxtest.Options{})
	c := config("web-1")
	c.SpotPrice = "auto"
	var said lines
	s, err := w.begin(t, c, &said)
	if err != nil {
		t.Fatalf("%v; hint %q", err, builders.Hint(err))
	}
	time.AfterFunc(time.Second, func() { w.Faults.Interrupt(0) })
	err = s.Apply(t.Context(), shell("echo started; sleep 60"))
	check := func(err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), "the instance i-") || !strings.Contains(builders.Hint(err), "took the spot instance back") {
			t.Errorf("error %v, hint %q", err, builders.Hint(err))
		}
	}
	check(err)
	if !errors.Is(err, builders.ErrConnectionLost) {
		t.Errorf("error %v does not say that the connection was lost", err)
	}
	_, err = s.Seal(t.Context())
	check(err)
}

// TestPowerOff lets the last step stop the machine, after one that restarted it.
func TestPowerOff(t *testing.T) {
	t.Parallel()
	w := start(t, sandboxtest.Options{})
	c := config("web-1")
	c.DisableStopInstance = true
	var said lines
	s, err := w.begin(t, c, &said)
	if err != nil {
		t.Fatalf("%v; hint %q", err, builders.Hint(err))
	}
	for _, command := range []string{"sudo reboot", "sudo poweroff"} {
		step := shell("touch ~/before; " + command + "; sleep 30")
		step.Ops[0].(*op.Exec).Disconnect = true
		if err := s.Apply(t.Context(), step); err != nil {
			t.Fatalf("%s: %v", command, err)
		}
	}
	a, err := s.Seal(t.Context())
	if err != nil {
		t.Fatalf("%v; hint %q", err, builders.Hint(err))
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	c = config("web-2")
	c.SourceAMI = a.Places[0].ID
	if s, err = w.begin(t, c, &said); err != nil {
		t.Fatal(err)
	}
	if err := s.Apply(t.Context(), shell("test -f ~/before")); err != nil {
		t.Error(err)
	}
}

// TestNewThings bakes where what was made just now is not known everywhere yet.
func TestNewThings(t *testing.T) {
	t.Parallel()
	slow := timing.Zero()
	slow.Consistency = 1500 * time.Millisecond
	w := start(t, sandboxtest.Options{Timing: &slow})
	var said lines
	s, err := w.begin(t, config("web-1"), &said)
	if err != nil {
		t.Fatalf("%v; hint %q", err, builders.Hint(err))
	}
	if _, err := s.Seal(t.Context()); err != nil {
		t.Fatalf("%v; hint %q", err, builders.Hint(err))
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if left := w.Leaks(); len(left) != 2 {
		t.Errorf("there: %q, want an image and its snapshot", left)
	}
}

// TestDiskFull says what to do when a step has filled the disk.
func TestDiskFull(t *testing.T) {
	t.Parallel()
	w := start(t, sandboxtest.Options{})
	var said lines
	s, err := w.begin(t, config("web-1"), &said)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Apply(t.Context(), shell("dd if=/dev/zero of=/dev/full count=1"))
	var exit *builders.ExitError
	if !errors.As(err, &exit) || !strings.Contains(builders.Hint(err), "disk is full") {
		t.Errorf("error %v, hint %q", err, builders.Hint(err))
	}
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
