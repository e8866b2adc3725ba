package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/postprocessors"
)

// pendingOf lists what is left to do with a new artifact: every chain, from
// its start.
func pendingOf(chains [][]plan.Post, a artifact.Artifact) []artifact.Pending {
	var out []artifact.Pending
	for _, chain := range chains {
		out = append(out, artifact.Pending{Name: chain[0].Name, Input: a})
	}
	return out
}

// postProcess runs the chains, or, where an earlier run left some, just those.
// A chain that fails does not stop the others; the artifact stays, and the
// record says what is left.
func (b *build) postProcess(ctx context.Context, rec artifact.Record) (artifact.Record, []artifact.Artifact, error) {
	if len(b.Post) == 0 {
		return rec, []artifact.Artifact{rec.Artifact}, nil
	}
	b.enter("post-process", "", 0)
	todo := rec.Pending
	if len(todo) == 0 {
		todo = pendingOf(b.Post, rec.Artifact)
	}
	out := []artifact.Artifact{rec.Artifact}
	var left []artifact.Pending
	var errs []error
	for _, chain := range b.Post {
		first, input, ok := position(chain, todo, rec.Artifact)
		if !ok {
			continue
		}
		a, stopped, err := b.chain(ctx, chain[first:], input)
		if err != nil {
			errs = append(errs, err)
			left = append(left, *stopped)
		}
		out = appendArtifact(out, a)
	}
	if b.tainted {
		rec.Pending = nil
	} else if changed := !slices.EqualFunc(rec.Pending, left, func(a, b artifact.Pending) bool { return a.Name == b.Name }); changed {
		rec.Pending = left
		if err := b.record(ctx, rec); err != nil {
			errs = append(errs, fmt.Errorf("record what is left to do: %w", err))
		}
	}
	if len(errs) > 0 {
		return rec, out, b.leftError(left, errs)
	}
	return rec, out, nil
}

// position finds where a chain is to start, and what it starts with.
func position(chain []plan.Post, todo []artifact.Pending, made artifact.Artifact) (int, artifact.Artifact, bool) {
	for _, p := range todo {
		for i, post := range chain {
			if post.Name == p.Name {
				in := p.Input
				if in.Image != nil && made.Image != nil && in.Image.Digest == made.Image.Digest {
					in.Image = made.Image // the record does not know the layout's folder
				}
				return i, in, true
			}
		}
	}
	return 0, artifact.Artifact{}, false
}

// chain runs post-processors one after the other, each on what the one before
// left. On an error it returns where it stopped.
func (b *build) chain(ctx context.Context, chain []plan.Post, a artifact.Artifact) (artifact.Artifact, *artifact.Pending, error) {
	for _, post := range chain {
		err := b.pauseBefore(ctx, "post-processor "+post.Type)
		next := a
		if err == nil {
			next, err = b.process(ctx, post, a)
		}
		if err != nil {
			return a, &artifact.Pending{Name: post.Name, Input: a}, fmt.Errorf("post-processor %s (%s:%d): %w",
				post.Type, post.Spec.Range.Filename, post.Spec.Range.Start.Line, cancelledOr(ctx, err))
		}
		a = next
	}
	return a, nil, nil
}

func (b *build) process(ctx context.Context, post plan.Post, a artifact.Artifact) (artifact.Artifact, error) {
	if err := ctx.Err(); err != nil {
		return a, err
	}
	b.log.Say("Running post-processor: " + post.Type)
	in := postprocessors.Input{Artifact: a, BuildName: b.Name, BuilderType: b.Type, RunID: b.RunID, Dir: b.Dir,
		Force: b.Force, FirstOfRun: b.firstOfRun(post), Log: b.log, Secrets: b.Secrets}
	b.values["build.ID"] = valueOr(b.values["build.ID"], a.ID)
	proc, err := post.Open(b.values, &in)
	if err != nil {
		return a, err
	}
	res, err := proc.Process(ctx, in)
	if err != nil {
		return a, err
	}
	return res.Artifact, nil
}

// firstOfRun reports whether no other build has run this post-processor yet.
func (b *build) firstOfRun(post plan.Post) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := post.Spec.Range.String()
	first := !b.first[id]
	b.first[id] = true
	return first
}

// leftError says what is left to do: running again does just that.
func (b *build) leftError(left []artifact.Pending, errs []error) error {
	var names []string
	for _, p := range left {
		names = append(names, p.Name)
	}
	var texts []string
	for _, err := range errs {
		texts = append(texts, err.Error())
	}
	return &LeftError{Left: names, message: strings.Join(texts, "; ")}
}

// LeftError is a build whose artifact was made and whose post-processors were
// not all done.
type LeftError struct {
	Left    []string // "CHAIN.NUMBER TYPE" where each chain stopped
	message string
}

func (e *LeftError) Error() string { return e.message }

// Hint says how to go on.
func (e *LeftError) Hint() string {
	if len(e.Left) == 0 { // all were done, only that could not be noted
		return "the artifact was made and is kept. Run again"
	}
	return "the artifact was made and is kept; left to do: post-processor " + strings.Join(e.Left, ", ") + ". Run again to do just that"
}

func appendArtifact(list []artifact.Artifact, a artifact.Artifact) []artifact.Artifact {
	same := slices.ContainsFunc(list, func(b artifact.Artifact) bool {
		return a.ID == b.ID && a.Text == b.Text && slices.Equal(a.Files, b.Files) && slices.Equal(a.Tags, b.Tags)
	})
	if same {
		return list
	}
	return append(list, a)
}

func valueOr(v secret.String, text string) secret.String {
	if v.Reveal() != "" {
		return v
	}
	return secret.Plain(text)
}
