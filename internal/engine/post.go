package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ingot-build/ingot/builders"
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
// record says what is left. When all have succeeded, what they do not keep is
// removed.
func (b *build) postProcess(ctx context.Context, rec artifact.Record) (artifact.Record, []artifact.Artifact, error) {
	if rec.Removed() {
		return rec, listed(nil, rec.Processed.Outputs), nil
	}
	if len(b.Post) == 0 {
		return rec, []artifact.Artifact{rec.Artifact}, nil
	}
	b.enter("post-process", "", 0)
	if img := rec.Artifact.Image; img != nil {
		b.values["build.ImageSha256"] = secret.Plain(img.Digest)
	}
	if len(b.attachments) == 0 { // an earlier run has made them
		b.attachments = rec.Attachments
	}
	done, left, errs := b.chains(ctx, rec)
	next := rec
	next.Pending, next.Processed = left, done
	switch {
	case len(left) == 0 && len(errs) == 0 && !done.Keep:
		fresh := b.Status != plan.Unchanged || len(rec.Pending) > 0
		if err := b.removeOwn(ctx, &next, fresh); err != nil {
			errs = append(errs, err)
		}
	case len(left) == 0:
		next.Processed = nil
	}
	out := listed(&rec.Artifact, done.Outputs)
	if next.Removed() || len(errs) == 0 && !done.Keep && b.InPlace() {
		out = listed(nil, done.Outputs)
	}
	if b.tainted {
		next.Pending = nil
	} else if !sameRest(rec, next) {
		if err := b.record(ctx, next); err != nil {
			errs = append(errs, fmt.Errorf("record what is left to do: %w", err))
		}
	}
	if len(errs) > 0 {
		return next, out, b.leftError(left, errs)
	}
	return next, out, nil
}

// sameRest reports whether two records say the same of what is left to do.
func sameRest(a, b artifact.Record) bool {
	same := func(a, b artifact.Pending) bool { return a.Name == b.Name }
	return slices.EqualFunc(a.Pending, b.Pending, same) && (a.Processed == nil) == (b.Processed == nil)
}

// chains runs what is to be run of each chain, and returns what all of them
// came to by now, and where those that failed are to go on.
func (b *build) chains(ctx context.Context, rec artifact.Record) (*artifact.Processed, []artifact.Pending, []error) {
	todo := rec.Pending
	done := &artifact.Processed{Key: b.PostKey()}
	if len(todo) == 0 {
		todo = pendingOf(b.Post, rec.Artifact)
	} else if rec.Processed != nil {
		done.Keep = rec.Processed.Keep
	}
	var left []artifact.Pending
	var errs []error
	for _, posts := range b.Post {
		first, at, ok := b.position(posts, todo, rec.Artifact)
		if !ok {
			done.Outputs = append(done.Outputs, outputsOf(rec.Processed, posts)...)
			continue
		}
		c := &chain{build: b, posts: posts, made: rec.Artifact, at: at}
		if err := c.run(ctx, first); err != nil {
			errs = append(errs, err)
			left = append(left, b.noted(c.at))
			done.Outputs = append(done.Outputs, c.at.Earlier...)
			continue
		}
		done.Keep = done.Keep || !c.at.Drop
		done.Outputs = append(done.Outputs, c.outputs()...)
		b.removeFiles(c.at.Remove, slices.Concat(done.Outputs, []artifact.Output{{Artifact: rec.Artifact}}))
	}
	return done, left, errs
}

// outputsOf is what a chain left that an earlier run has done.
func outputsOf(p *artifact.Processed, posts []plan.Post) []artifact.Output {
	var out []artifact.Output
	for i := 0; p != nil && i < len(p.Outputs); i++ {
		if slices.ContainsFunc(posts, func(post plan.Post) bool { return post.Name == p.Outputs[i].By }) {
			out = append(out, p.Outputs[i])
		}
	}
	return out
}

// position finds where a chain is to start, and what it starts with.
func (b *build) position(posts []plan.Post, todo []artifact.Pending, made artifact.Artifact) (int, artifact.Pending, bool) {
	for _, p := range todo {
		for i, post := range posts {
			if post.Name != p.Name {
				continue
			}
			if img := p.Input.Image; img != nil && img.Layout == "" { // the record does not know the layout's folder
				img.Layout = post.Layout()
				if made.Image != nil && made.Image.Digest == img.Digest {
					p.Input.Image = made.Image
				}
			}
			p.Remove = b.known(p.Remove)
			return i, p, true
		}
	}
	return 0, artifact.Pending{}, false
}

func (b *build) process(ctx context.Context, post plan.Post, a artifact.Artifact) (postprocessors.Result, error) {
	if err := ctx.Err(); err != nil {
		return postprocessors.Result{}, err
	}
	if err := b.pauseBefore(ctx, "post-processor "+post.Type); err != nil {
		return postprocessors.Result{}, err
	}
	b.log.Say("Running post-processor: " + post.Type)
	in := postprocessors.Input{Artifact: a, BuildName: b.Name, BuilderType: b.Type, RunID: b.RunID, Build: b.Address, Journal: b.journal, Dir: b.Dir, Builder: b.Builder, Attachments: b.attachments,
		Force: b.Force, FirstOfRun: b.firstOfRun(post), Log: b.log, Secrets: b.Secrets}
	b.values["build.ID"] = valueOr(b.values["build.ID"], a.ID)
	proc, err := post.Open(b.values, &in)
	if err != nil {
		return postprocessors.Result{}, err
	}
	return proc.Process(ctx, in)
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
	var texts, advice []string
	for _, err := range errs {
		texts = append(texts, err.Error())
		if hint := builders.Hint(err); hint != "" && !slices.Contains(advice, hint) {
			advice = append(advice, hint)
		}
	}
	return &LeftError{Left: names, message: strings.Join(texts, "; "), advice: advice}
}

// LeftError is a build whose artifact was made and whose post-processors were
// not all done.
type LeftError struct {
	Left    []string // "CHAIN.NUMBER TYPE" where each chain stopped
	message string
	advice  []string // what the user can do about the errors
}

func (e *LeftError) Error() string { return e.message }

// Hint says how to go on.
func (e *LeftError) Hint() string {
	if len(e.Left) == 0 { // all were done, only that could not be noted
		return "the artifact was made and is kept. Run again"
	}
	text := "the artifact was made and is kept; left to do: post-processor " + strings.Join(e.Left, ", ") + ". Run again to do just that"
	return strings.Join(append([]string{text}, e.advice...), "; ")
}

// listed is what a build made, as it is shown: its own artifact, where it is
// kept, and what each chain left.
func listed(own *artifact.Artifact, outputs []artifact.Output) []artifact.Artifact {
	var list []artifact.Artifact
	if own != nil {
		list = append(list, *own)
	}
	for _, o := range outputs {
		same := slices.ContainsFunc(list, func(a artifact.Artifact) bool {
			return a.ID == o.Artifact.ID && a.Text == o.Artifact.Text && slices.Equal(a.Files, o.Artifact.Files) && slices.Equal(a.Tags, o.Artifact.Tags)
		})
		if !same {
			list = append(list, o.Artifact)
		}
	}
	return list
}

func valueOr(v secret.String, text string) secret.String {
	if v.Reveal() != "" {
		return v
	}
	return secret.Plain(text)
}
