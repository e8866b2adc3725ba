package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/plan"
	"github.com/ingot-build/ingot/postprocessors"
)

// chain is a chain of post-processors under way, each on what the one before
// left.
type chain struct {
	*build
	posts []plan.Post
	made  artifact.Artifact // by the build
	at    artifact.Pending  // where it is by now
	last  string            // who made what it is at
}

// run runs the chain from one of its post-processors. On an error, at is where
// it stopped.
func (c *chain) run(ctx context.Context, first int) error {
	for i, post := range c.posts[first:] {
		c.at.Name = post.Name
		if first+i > 0 {
			c.last = c.posts[first+i-1].Name
		}
		res, err := c.process(ctx, post, c.at.Input)
		if err != nil {
			return fmt.Errorf("post-processor %s (%s:%d): %w",
				post.Type, post.Spec.Range.Filename, post.Spec.Range.Start.Line, cancelledOr(ctx, err))
		}
		c.take(post, res, c.pinned(first+i))
		c.last = post.Name
	}
	return nil
}

// pinned reports whether the template says that what the build made stays, in
// one of the chain's first post-processors.
func (c *chain) pinned(n int) bool {
	return slices.ContainsFunc(c.posts[:n+1], func(p plan.Post) bool { return p.Spec.KeepInput != nil && *p.Spec.KeepInput })
}

// take goes on to what a post-processor left. One that returns its input,
// perhaps with a file or a name more, keeps it, unless the template says that
// it is to go; what becomes of it is for the next one to say.
func (c *chain) take(post plan.Post, res postprocessors.Result, pinned bool) {
	in, out := c.at.Input, res.Artifact
	own := isOf(c.made, in)
	drop := !c.keeps(post, res)
	passed := isOf(in, out)
	c.at.Input = out
	switch {
	case passed && !drop:
	case own && drop && !pinned:
		c.at.Drop = true
		if c.at.Input = out; passed {
			c.at.Input = without(out, c.made)
		}
		if extra := without(in, c.made); len(extra.Files) > 0 && !passed {
			c.at.Remove = append(c.at.Remove, extra)
		}
	case own:
	case drop && passed:
		c.at.Input = without(out, in)
		c.at.Remove = append(c.at.Remove, in)
	case drop:
		c.at.Remove = append(c.at.Remove, in)
	default:
		c.at.Earlier = append(c.at.Earlier, artifact.Output{By: c.last, Artifact: in})
	}
}

// keeps reports whether the input of a post-processor stays.
func (c *chain) keeps(post plan.Post, res postprocessors.Result) bool {
	keep := post.Spec.KeepInput
	switch {
	case keep == nil:
		return res.Keep
	case !*keep && res.MustKeep:
		c.log.Warn(post.Type + ": keep_input_artifact = false has no effect: its result needs its input")
		return true
	}
	return *keep
}

// outputs is what the chain left, when it is done.
func (c *chain) outputs() []artifact.Output {
	return append(c.at.Earlier, artifact.Output{By: c.last, Artifact: c.at.Input})
}

// isOf reports whether a is still what made is, perhaps with more files, names
// and text. A container's image is known by its digest.
func isOf(made, a artifact.Artifact) bool {
	if made.Image != nil {
		return digestOf(a.Image) == made.Image.Digest
	}
	for _, f := range made.Files {
		if !slices.ContainsFunc(a.Files, func(g artifact.File) bool { return f.Path == g.Path }) {
			return false
		}
	}
	return a.ID == made.ID && digestOf(a.Image) == digestOf(made.Image) && slices.Equal(a.Places, made.Places)
}

func digestOf(img *artifact.Image) string {
	if img == nil {
		return ""
	}
	return img.Digest
}

// without is what a has beside made.
func without(a, made artifact.Artifact) artifact.Artifact {
	a.Files = slices.DeleteFunc(slices.Clone(a.Files), func(f artifact.File) bool {
		return slices.ContainsFunc(made.Files, func(g artifact.File) bool { return f.Path == g.Path })
	})
	if digestOf(a.Image) == digestOf(made.Image) {
		a.Image = nil
	}
	if slices.Equal(a.Places, made.Places) {
		a.Places = nil
	}
	return a
}
