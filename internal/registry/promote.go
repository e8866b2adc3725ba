package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Request asks that a channel is pointed to a version.
type Request struct {
	Bucket   string    `json:"bucket"`
	Channel  string    `json:"channel"`
	Version  string    `json:"version"`
	Time     time.Time `json:"time"`
	By       string    `json:"by"`
	Comment  string    `json:"comment,omitempty"`
	Untested bool      `json:"untested,omitempty"` // its tests did not all pass, and that was let pass
}

// Ask is who wants a channel to move, and how.
type Ask struct {
	By, Comment string
	Untested    bool // also where tests failed, or there were none
}

// Outcome is what came of asking that a channel moves.
type Outcome struct {
	Bucket   string `json:"bucket"`
	Version  string `json:"version"`
	Channel  string `json:"channel"`
	From     string `json:"from,omitempty"` // the version before; "" where there was none, or the channel did not move
	Moved    bool   `json:"moved"`          // it points to the version now; else that waits for approval
	By       string `json:"by"`
	Approved string `json:"approved,omitempty"`
	Untested bool   `json:"untested,omitempty"`
}

// UntestedError is a version that a channel is not pointed to because of its
// tests.
type UntestedError struct {
	Bucket, Version, Channel string
	Why                      []string // "amazon-ebs.web: test http failed"
}

func (e *UntestedError) Error() string {
	return fmt.Sprintf("%s:%s did not pass its tests: %s", e.Bucket, e.Version, strings.Join(e.Why, "; "))
}

// Hint returns what the user can do.
func (e *UntestedError) Hint() string {
	return fmt.Sprintf("ingot test %s:%s runs them; ingot promote %s %s %s -untested does without", e.Bucket, e.Version, e.Bucket, e.Version, e.Channel)
}

// Promote points a channel to a version whose tests have all passed. Where the
// channel asks for approval, it records a request instead. A channel that points
// there already stays as it is.
func (r *Registry) Promote(ctx context.Context, bucket, version, channel string, ask Ask) (Outcome, error) {
	v, found, err := r.Version(ctx, bucket, version)
	switch {
	case err != nil:
		return Outcome{}, err
	case !found:
		return Outcome{}, r.explain("promote "+bucket+":"+version+" to "+channel, noVersion(bucket, version))
	}
	return r.point(ctx, v, channel, ask, false)
}

// PointChannels points channels to a version as Promote does, for the template
// that made it: what that has no tests of needs none. A channel that was rolled
// back from the version stays as it is.
func (r *Registry) PointChannels(ctx context.Context, v Version, channels []string, by string) (Pointed, error) {
	var free, rolledBack []string
	for _, c := range channels {
		back, err := r.rolledBack(ctx, v, c)
		switch {
		case err != nil:
			return Pointed{}, err
		case back:
			rolledBack = append(rolledBack, c)
		default:
			free = append(free, c)
		}
	}
	p, err := r.pointNew(ctx, v, free, by)
	p.RolledBack = rolledBack
	return p, err
}

// Pointed is what came of pointing channels to a version.
type Pointed struct {
	Moved      []string // channels that point there now
	Requested  []string // that wait for approval
	RolledBack []string // that somebody rolled back from the version: they stay as they are
}

// pointNew points channels to a version that they never were.
func (r *Registry) pointNew(ctx context.Context, v Version, channels []string, by string) (p Pointed, err error) {
	for _, c := range channels {
		out, err := r.point(ctx, v, c, Ask{By: by}, true)
		switch {
		case err != nil:
			return p, err
		case out.Moved:
			p.Moved = append(p.Moved, c)
		default:
			p.Requested = append(p.Requested, c)
		}
	}
	return p, nil
}

// rolledBack reports whether somebody rolled a channel back from a version, and
// nobody moved it there since.
func (r *Registry) rolledBack(ctx context.Context, v Version, channel string) (back bool, err error) {
	at, err := r.target(ctx, v.Bucket, channel)
	if err != nil || at == "" || at == v.Name {
		return false, err
	}
	moves, err := r.History(ctx, v.Bucket, channel)
	for _, m := range taken(moves, at) {
		back = m.To != v.Name && (back || m.Rollback && m.From == v.Name)
	}
	return back, err
}

// point is the one way by which a channel gets to a version that it never was:
// past its tests, of which some builds may have none, and past the channel's
// rules.
func (r *Registry) point(ctx context.Context, v Version, channel string, ask Ask, mayLack bool) (Outcome, error) {
	out := Outcome{Bucket: v.Bucket, Version: v.Name, Channel: channel, By: ask.By}
	s, err := r.Settings(ctx, v.Bucket, channel)
	if err != nil {
		return out, err
	}
	at, err := r.target(ctx, v.Bucket, channel)
	if err != nil || at == v.Name {
		out.Moved = err == nil
		return out, err
	}
	failed, missing, err := r.unpassed(ctx, v)
	if err != nil {
		return out, err
	}
	if mayLack {
		missing = nil
	}
	if why := append(failed, missing...); len(why) > 0 {
		if !ask.Untested {
			return out, &UntestedError{v.Bucket, v.Name, channel, why}
		}
		out.Untested = true
	}
	if !s.Approval {
		return r.setChannel(ctx, v.Bucket, channel, Move{To: v.Name, By: ask.By, Comment: ask.Comment, Untested: out.Untested})
	}
	q := Request{Bucket: v.Bucket, Channel: channel, Version: v.Name, Time: time.Now().UTC(), By: ask.By, Comment: ask.Comment, Untested: out.Untested}
	return out, r.explain("ask for approval of "+v.Bucket+":"+v.Name, r.putRequest(ctx, q, "open"))
}

// unpassed says which tests of a version failed, and which builds have none.
func (r *Registry) unpassed(ctx context.Context, v Version) (failed, missing []string, err error) {
	runs, err := r.Tests(ctx, v.Bucket, v.Name)
	if err != nil {
		return nil, nil, err
	}
	tests := LastTests(v, runs)
	for _, rec := range v.Records {
		tested, ok := tests[rec.Build]
		if !ok {
			missing = append(missing, rec.Build+": it was never tested")
		}
		for _, t := range tested.Tests {
			if !t.Passed {
				failed = append(failed, rec.Build+": test "+t.Name+" failed")
			}
		}
	}
	return failed, missing, nil
}

// Approve points a channel to a version that somebody asked for. A test that
// failed since then is in its way.
func (r *Registry) Approve(ctx context.Context, bucket, version, channel string, ask Ask) (Outcome, error) {
	op := "approve " + bucket + ":" + version + " for " + channel
	repo, err := r.repository(bucket)
	if err != nil {
		return Outcome{}, err
	}
	v, found, err := r.Version(ctx, bucket, version)
	switch {
	case err != nil:
		return Outcome{}, err
	case !found:
		return Outcome{}, r.explain(op, noVersion(bucket, version))
	}
	q, err := readRequest(ctx, repo, requestTag(channel, v.Name))
	if err == nil && q == nil {
		err = &Error{Err: plainError("nobody asks for this version"), Advice: "ingot promote " + bucket + " " + v.Name + " " + channel}
	}
	if err != nil {
		return Outcome{}, r.explain(op, err)
	}
	failed, _, err := r.unpassed(ctx, v)
	if err == nil && len(failed) > 0 && !q.Untested {
		err = &UntestedError{bucket, v.Name, channel, failed}
	}
	if err != nil {
		return Outcome{}, err
	}
	m := Move{To: v.Name, By: q.By, Comment: cmp.Or(ask.Comment, q.Comment), Approved: ask.By, Untested: q.Untested}
	out, err := r.setChannel(ctx, bucket, channel, m)
	if err == nil {
		q.Bucket = bucket
		err = r.explain(op, r.putRequest(ctx, *q, "approved"))
	}
	return out, err
}

// Requests lists what waits for approval in a bucket, oldest first.
func (r *Registry) Requests(ctx context.Context, bucket string) ([]Request, error) {
	list, err := listed(ctx, r, bucket, "requests of "+bucket, beginsWith(requestPrefix), readRequest)
	for i := range list {
		list[i].Bucket = bucket
	}
	slices.SortFunc(list, func(a, b Request) int { return a.Time.Compare(b.Time) })
	return list, err
}

// Rollback points a channel to what it was before, or to an older version that
// it once was. Again, it goes back one more.
func (r *Registry) Rollback(ctx context.Context, bucket, channel, to string, ask Ask) (Outcome, error) {
	op := "roll back " + bucket + ":" + channel
	moves, err := r.History(ctx, bucket, channel)
	if err != nil {
		return Outcome{}, err
	}
	at, err := r.target(ctx, bucket, channel)
	if err != nil {
		return Outcome{}, err
	}
	if was := trail(moves, at); to == "" && len(was) >= 2 {
		to = was[len(was)-2]
	}
	switch {
	case len(moves) == 0:
		err = &Error{Err: plainError("there is no such channel"), Advice: "ingot registry channel " + bucket + " lists them"}
	case to == "":
		err = &Error{Err: plainError("there is no version before this one"), Advice: "ingot registry channel " + bucket + " " + channel + " shows its history"}
	case !slices.ContainsFunc(moves, func(m Move) bool { return m.To == to }):
		err = &Error{Op: to, Err: plainError("it never was " + channel), Advice: "ingot promote " + bucket + " " + to + " " + channel}
	}
	if err != nil {
		return Outcome{}, r.explain(op, err)
	}
	return r.setChannel(ctx, bucket, channel, Move{To: to, By: ask.By, Comment: ask.Comment, Rollback: true})
}

// trail are the versions that a channel came by, without those it was rolled
// back from. The last one is where it is.
func trail(newestFirst []Move, at string) (was []string) {
	for _, m := range taken(newestFirst, at) {
		if i := slices.Index(was, m.To); m.Rollback && i >= 0 {
			was = was[:i+1]
			continue
		}
		if len(was) == 0 && m.From != "" {
			was = append(was, m.From)
		}
		was = append(was, m.To)
	}
	return was
}

// taken are the moves by which a channel came to where it is, the oldest first:
// each began where the one before it ended. One that broke off, or whose host's
// clock was wrong, is not among them.
func taken(newestFirst []Move, at string) (list []Move) {
	for _, m := range newestFirst {
		if m.To == at {
			list, at = append(list, m), m.From
		}
	}
	slices.Reverse(list)
	return list
}
