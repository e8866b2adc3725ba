package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/held"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/plan"
)

// holdTimeout bounds what is done to hold a machine, also after cancellation.
const holdTimeout = 2 * time.Minute

// Holding says how machines are held with the OnError Hold.
type Holding struct {
	For      time.Duration
	Template string // absolute path, for those who go on
	Resume   string // the command that goes on with the run, as users are told
	Free     string // the command that removes what the run holds
}

// Resume is a run whose builds are held.
type Resume struct {
	Journal *journal.Journal
	Builds  map[string]held.Build // by their addresses
}

// Check refuses a plan that none of the held builds are in.
func (r *Resume) Check(p *plan.Plan) error {
	var names []string
	for _, b := range p.Builds {
		if _, ok := r.Builds[b.Address]; ok {
			return nil
		}
	}
	for address, h := range r.Builds {
		for _, out := range p.LeftOut {
			if slices.Contains(out, address) {
				return fmt.Errorf("the run holds %s, which -only or -except leave out", address)
			}
		}
		names = append(names, fmt.Sprintf("%s of %s", address, h.Template))
	}
	slices.Sort(names)
	return fmt.Errorf("the run holds %s, and %s has no such build", names[0], p.Template.Path)
}

// takeUp finds out whether the build can go on with a machine that is held.
func (b *build) takeUp() error {
	if b.Resume == nil {
		return nil
	}
	h, ok := b.Resume.Builds[b.Address]
	if !ok {
		return nil
	}
	if err := b.StillBegins(h.Done); err != nil {
		return builders.WithHint(fmt.Errorf("go on with the machine: %w", err),
			"undo that; or run without -resume, where the build starts anew, and remove the machine by `"+b.Holding.Free+"`")
	}
	b.held = &h
	b.From, b.Fallback = nil, nil // the machine is further
	b.done, b.tainted, b.attachments = len(h.Done.Steps), h.Tainted, h.Attached()
	if b.Status == plan.Unchanged { // another run was faster; the machine counts all the same
		b.Status = plan.Changed
	}
	return nil
}

// begin begins a session, or goes on with one. A machine that can't be reached
// stays held.
func (b *build) begin(ctx context.Context) (builders.Session, error) {
	if b.held == nil {
		var err error
		if b.Base, err = b.beginning(); err != nil {
			return nil, err
		}
		return b.Builder.Begin(ctx, b.Base, b.env())
	}
	b.log.Say(fmt.Sprintf("Going on after %d of %d steps", b.done, len(b.Steps)))
	r, ok := b.Builder.(builders.Resumer)
	if !ok {
		return nil, fmt.Errorf("the builder %s can't go on with a machine", b.Type)
	}
	base := b.Base
	base.ID, base.From = b.held.BaseID, b.held.From
	s, err := r.Resume(ctx, base, b.held.Session, b.env())
	if errors.Is(err, builders.ErrMachineGone) {
		err = builders.WithHint(err, "run without -resume: the build starts anew")
		err = errors.Join(err, b.journal.Free(b.Address))
	}
	return s, err
}

// unreached holds a machine that was launched, and can't be reached.
func (b *build) unreached(ctx context.Context, failure error) error {
	var u *builders.UnreachedError
	if !errors.As(failure, &u) {
		return failure
	}
	b.session = u.Session
	defer b.close(ctx)
	b.bind()
	_, err := b.hold(ctx, failure)
	return err
}

// hold leaves the machine of a build that failed, and says how to go on. What
// is not held is to be removed.
func (b *build) hold(ctx context.Context, failure error) (held bool, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), holdTimeout)
	defer cancel()
	if _, ok := b.Builder.(builders.Layered); ok {
		b.log.Say("There is no machine to hold: what the steps before have done is in the cache, and the next run goes on after them.")
		return false, failure
	}
	state, err := b.leave(ctx)
	if err != nil && !b.kept {
		b.log.Warn(fmt.Sprintf("the machine is not held: %v", err))
		return false, failure
	}
	if err != nil {
		b.log.Warn(fmt.Sprintf("the machine is left, and can't be gone on with: %v", err))
		return true, failure
	}
	b.tellHeld(state)
	return true, &heldError{failure, fmt.Sprintf("the machine is held until %s: `%s` goes on with it", clock(state.Until), b.Holding.Resume)}
}

// leave has the session leave the machine, and writes down what it takes to go
// on.
func (b *build) leave(ctx context.Context) (held.Build, error) {
	h, ok := b.session.(builders.Holder)
	if !ok {
		return held.Build{}, fmt.Errorf("the builder %s has none that could be", b.Type)
	}
	if b.Journals == "" {
		return held.Build{}, errors.New("there is no journal")
	}
	state := b.state(time.Now().UTC())
	if m, ok := b.session.(builders.Mortal); ok && !m.Ends().IsZero() && state.Until.After(m.Ends()) {
		state.Until = m.Ends()
		b.log.Say("The machine ends by itself at " + clock(state.Until) + " (max_lifetime): it can't be held longer")
	}
	var err error
	if state.Session, err = h.Hold(ctx, state.Until); err != nil {
		return state, err
	}
	b.kept = true
	if err := b.journal.Hold(b.Address, state.Until); err != nil {
		return state, err
	}
	if err := state.Write(b.Journals); err != nil {
		return state, errors.Join(err, b.journal.Free(b.Address))
	}
	return state, nil
}

// state is what is known of the build by now.
func (b *build) state(now time.Time) held.Build {
	s := held.Build{
		RunID: b.RunID, Address: b.Address, Template: b.Holding.Template, Dir: b.Dir, BaseID: b.Base.ID, From: b.Base.From,
		Since: now, Until: now.Add(b.Holding.For), Force: b.env().Force,
	}
	b.note(&s)
	return s
}

// note takes into s how far the build is.
func (b *build) note(s *held.Build) {
	s.Done = b.NewRecord(b.RunID, artifact.Artifact{}, time.Now())
	s.Done.Steps = s.Done.Steps[:b.done]
	s.Tainted, s.Failed = b.tainted, ""
	if b.done < len(b.Steps) {
		s.Failed = b.Steps[b.done].Name
	}
	s.Attach(b.attachments)
}

// progress notes how far a build is that goes on with a machine, so that it can
// be gone on with once more when the run is killed.
func (b *build) progress() {
	if b.held == nil {
		return
	}
	b.note(b.held)
	if err := b.held.Write(b.Journals); err != nil {
		b.log.Warn(err.Error())
	}
}

// free ends that the machine is held: from now on it is one like others, which
// goes when the build ends, or is swept.
func (b *build) free() {
	if b.held == nil {
		return
	}
	if err := b.journal.Free(b.Address); err != nil {
		b.log.Warn(err.Error())
	}
}

// tellHeld says until when the machine is held, how to look at it, how to go on
// and how to let it go.
func (b *build) tellHeld(s held.Build) {
	name := b.values["build.ID"].Reveal()
	if b.InPlace() || name == "" {
		name = "the machine"
	}
	b.log.Say(fmt.Sprintf("Held until %s (-on-error=hold): %s", clock(s.Until), name))
	if v, ok := b.session.(builders.Visited); ok {
		if how, ok := v.Login(); ok {
			b.tellLogin(how)
		}
	}
	b.log.Say("To go on:      " + b.Holding.Resume)
	b.log.Say("To remove it:  " + b.Holding.Free)
}

// tellLogin says how a person logs in, with a key that was made for the machine
// in a file of its own.
func (b *build) tellLogin(how builders.Login) {
	command := slices.Clone(how.Command)
	for _, f := range []struct{ name, text string }{
		{held.Key, how.Key.Reveal()}, {held.KnownHosts, how.KnownHosts}, {held.Password, how.Password.Reveal()},
	} {
		if f.text == "" {
			continue
		}
		path, err := held.WriteFile(b.Journals, b.RunID, b.Address, f.name, []byte(f.text))
		if err != nil {
			b.log.Warn(err.Error())
			continue
		}
		switch f.name {
		case held.Key:
			command = append(command, "-i", path)
		case held.KnownHosts:
			command = append(command, "-o", "UserKnownHostsFile="+path)
		case held.Password:
			b.log.Say("Its password:  " + path)
		}
	}
	b.log.Say("To look at it: " + builders.ShellText(append(command, how.To)))
}

// clock is a time as people read it.
func clock(t time.Time) string { return t.Local().Format("2006-01-02 15:04:05 MST") }

// heldError is a failed step of a build whose machine is held.
type heldError struct {
	error
	how string
}

func (e *heldError) Unwrap() error { return e.error }

// Hint says how to go on.
func (e *heldError) Hint() string {
	return andHint(e.error, e.how)
}
