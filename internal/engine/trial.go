package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/pause"
	"github.com/ingot-build/ingot/internal/plan"
)

// trial is one test under way, on a machine of its own.
type trial struct {
	*build // of its own: the session, and the values of its tokens
	test   *plan.Test
	result artifact.Test
	judged bool // it failed because of what the image is, not on the way to look at it
}

func newTrial(b *build, x *plan.Test) *trial {
	own := &build{run: b.run, Build: b.Build, log: event.Log{Build: b.Address, Sink: told{b.Events, x.Name}}, values: b.Vars()}
	return &trial{build: own, test: x, result: artifact.Test{Name: x.Name}}
}

// told says which test the lines of its steps are of.
type told struct {
	event.Sink
	test string
}

// Emit hands on lines. Phases and ends are those of the build.
func (s told) Emit(e event.Event) {
	if s.Sink == nil {
		return
	}
	prefix := "[" + s.test + "] "
	switch body := e.Body.(type) {
	case event.Say:
		body.Text = prefix + body.Text
		e.Body = body
	case event.Output:
		body.Text = prefix + body.Text
		e.Body = body
	case event.Warning:
		body.Text = prefix + body.Text
		e.Body = body
	case event.CleanedUp:
		if body.Err == nil {
			return
		}
		e.Body = event.Warning{Text: prefix + "clean up: " + body.Err.Error()}
	case event.TestDone:
	default:
		return
	}
	s.Sink.Emit(e)
}

// run runs the test and says what it came to. The error is that of a cancelled
// run: then it came to nothing.
func (t *trial) run(ctx context.Context, base builders.Base) error {
	start := time.Now()
	err := t.look(ctx, base)
	if err != nil && errors.Is(ctx.Err(), context.Canceled) {
		return cancelledError{ctx.Err()}
	}
	t.result.Took, t.result.Passed = time.Since(start), err == nil
	t.result.Error = t.Secrets.Redact(errorText(err))
	t.log.Emit(event.TestDone{Test: t.result})
	return nil
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// look begins a machine with the image, runs the steps and lets go of it.
func (t *trial) look(ctx context.Context, base builders.Base) (err error) {
	if err := ctx.Err(); err != nil {
		return err
	}
	env := t.env()
	env.Build, env.Trial, env.Hold = env.Build+" test "+t.test.Name, true, false
	t.session, err = t.Builder.Begin(ctx, base, env)
	if err != nil {
		return fmt.Errorf("begin with the image: %w", err)
	}
	defer func() { t.leave(ctx, err) }()
	if f, ok := t.session.(builders.Forcer); ok {
		f.Force() // what was looked at before is not what is to be known
	}
	t.bind()
	for i, s := range t.test.Steps {
		t.log.Say(fmt.Sprintf("Running %s (%d/%d)…", s.Name, i+1, len(t.test.Steps)))
		if err := t.check(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// leave lets go of the machine, behind the rest of the run. With
// -on-error=abort that of a test that failed stays.
func (t *trial) leave(ctx context.Context, failure error) {
	if k, ok := t.session.(builders.Keeper); ok && failure != nil && t.OnError == Abort {
		t.spare(k)
		t.log.Say("Left as it is (-on-error=abort).")
	}
	end := t.closing.start(t.Address + " test " + t.test.Name)
	go func() {
		defer end()
		t.endSession(ctx)
	}()
}

// check runs one step, and notes what it looked at.
func (t *trial) check(ctx context.Context, s *plan.Step) error {
	if err := pause.For(ctx, s.PauseBefore); err != nil {
		return err
	}
	err := t.try(ctx, s)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var unmet *unmetError
	var exit *builders.ExitError
	if errors.As(err, &exit) || errors.As(err, &unmet) {
		t.judged = true
	}
	if s.Cases == nil {
		c := artifact.Case{Name: cmp.Or(s.Name, s.Type) + " (" + s.Where() + ")", Passed: err == nil}
		c.Detail = t.Secrets.Redact(errorText(err))
		t.result.Cases = append(t.result.Cases, c)
	}
	if err != nil && s.ContinueOnError {
		t.log.Warn(fmt.Sprintf("%v: going on (continue_on_error)", err))
		return nil
	}
	return err
}

// try runs a step until it succeeds, as often as max_retries says.
func (t *trial) try(ctx context.Context, s *plan.Step) error {
	for try := 0; ; try++ {
		t.cases = nil
		err := t.attach(ctx, s)
		if err == nil || ctx.Err() != nil || try >= s.MaxRetries {
			t.result.Cases = append(t.result.Cases, t.cases...)
			return err
		}
		t.log.Warn(fmt.Sprintf("%v: retry %d of %d", err, try+1, s.MaxRetries))
	}
}

// examine reads what a step looked at. What is not as expected is an error.
func (b *build) examine(dir string, s *plan.Step) error {
	cases, err := s.Cases(dir)
	if err != nil {
		return err
	}
	var unmet []artifact.Case
	for i := range cases {
		cases[i].Name, cases[i].Detail = b.Secrets.Redact(cases[i].Name), b.Secrets.Redact(cases[i].Detail)
		if !cases[i].Passed {
			unmet = append(unmet, cases[i])
		}
	}
	b.cases = cases
	if len(unmet) > 0 {
		return &unmetError{of: len(cases), unmet: unmet}
	}
	return nil
}

// unmetError is a step that found something else than what was expected.
type unmetError struct {
	of    int
	unmet []artifact.Case
}

func (e *unmetError) Error() string {
	const most = 3
	var texts []string
	for i, c := range e.unmet {
		if i == most {
			texts = append(texts, fmt.Sprintf("and %d more", len(e.unmet)-most))
			break
		}
		text := c.Name
		if c.Detail != "" {
			text += ": " + c.Detail
		}
		texts = append(texts, text)
	}
	return fmt.Sprintf("%d of %d checks failed: %s", len(e.unmet), e.of, strings.Join(texts, "; "))
}
