package plan

import (
	"cmp"
	"context"
	"fmt"
	"os"

	"github.com/hashicorp/hcl/v2"
	"github.com/opencontainers/go-digest"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/postprocessors"
)

// post checks the build's post-processors. -except drops the one it names and
// those after it in the same chain, as Packer does.
func (c *compiler) post(b *Build) ([][]Post, hcl.Diagnostics) {
	var chains [][]Post
	var diags hcl.Diagnostics
	for i, specs := range c.spec.PostProcessors {
		var chain []Post
		for _, spec := range c.postsOf(specs) {
			if !spec.AppliesTo(c.src) {
				continue
			}
			p, diag := c.newPost(spec)
			if diag != nil {
				diags = append(diags, diag)
				continue
			}
			p.Name = fmt.Sprintf("%d.%d %s", i+1, len(chain)+1, spec.Type)
			proc, dec, ds := p.plan(lang.Scope{Form: lang.Real, Source: c.src})
			diags = append(diags, ds...)
			if !ds.HasErrors() {
				p.key = p.keyed(proc, dec)
			}
			chain = append(chain, p)
		}
		if len(chain) > 0 {
			chains = append(chains, chain)
		}
	}
	return chains, diags
}

// postsOf returns those of a chain that -except leaves.
func (c *compiler) postsOf(chain []*lang.PostProcessor) []*lang.PostProcessor {
	for i, spec := range chain {
		if matches(c.except, cmp.Or(spec.Name, spec.Type)) {
			return chain[:i]
		}
	}
	return chain
}

func (c *compiler) newPost(spec *lang.PostProcessor) (Post, *hcl.Diagnostic) {
	def, diag := find(c.template, "post-processor", spec.Type, spec.Range, c.components.PostProcessors, func(d postprocessors.Definition) string { return d.Type })
	return Post{Type: spec.Type, Def: def, Spec: spec, src: c.src, host: c.options.Host}, diag
}

// plan decodes and checks the options before the build runs.
func (p *Post) plan(sc lang.Scope) (postprocessors.Processor, *lang.Decoded, hcl.Diagnostics) {
	return p.check(sc, &postprocessors.Input{BuildName: p.src.Name, BuilderType: p.src.Type, Dir: p.host.Dir})
}

// check decodes and checks the options. What is wrong with one that is made of
// values of build.* is known when these are.
func (p *Post) check(sc lang.Scope, in *postprocessors.Input) (postprocessors.Processor, *lang.Decoded, hcl.Diagnostics) {
	proc := p.Def.New()
	dec, diags := p.Spec.Decode(sc, proc)
	in.Render, in.Host = dec.Render, p.host
	if diags.HasErrors() {
		return proc, dec, diags
	}
	if err := proc.Check(*in); err != nil && !dec.Excuses(err) && len(op.Tokens(err.Error())) == 0 {
		diags = append(diags, optionDiag(err, "post-processor "+quote(p.Type), dec.Range))
	}
	return proc, dec, diags
}

// keyed is the key of the options, and of the files that are named in them.
func (p *Post) keyed(proc postprocessors.Processor, dec *lang.Decoded) key.Key {
	h := key.New("post/1").String(p.Name)
	if k := p.Spec.KeepInput; k != nil {
		h.String(fmt.Sprint("keep ", *k))
	}
	for _, in := range dec.Inputs {
		if in.Kind == "option" {
			h.String(in.Name).String(in.Digest)
		}
	}
	if r, ok := proc.(postprocessors.Reader); ok {
		in := postprocessors.Input{Dir: p.host.Dir}
		for _, path := range r.Reads() {
			h.String(path).String(digestOf(in.Path(path)))
		}
	}
	return h.Sum()
}

// Open evaluates the options with the values that the build has by now, and
// completes in with what they are rendered with.
func (p Post) Open(values op.Values, in *postprocessors.Input) (postprocessors.Processor, error) {
	proc, _, diags := p.check(lang.Scope{Form: lang.Real, Source: p.src, Values: values}, in)
	if diags.HasErrors() {
		return nil, diags
	}
	return proc, nil
}

// Layout is the folder that holds the content of images on this host.
func (p Post) Layout() string { return p.host.Layout }

// PostKey is the key of all post-processors.
func (b *Build) PostKey() key.Key {
	h := key.New("posts/1")
	for _, chain := range b.Post {
		for _, p := range chain {
			h.String(string(p.key))
		}
	}
	return h.Sum()
}

// exists reports whether the artifact of a record is still there: the one that
// the build made or, where that was removed, all that the same post-processors
// made of it.
func (b *Build) exists(ctx context.Context, rec artifact.Record) (bool, error) {
	if !rec.Removed() {
		return b.Builder.Exists(ctx, rec.Artifact)
	}
	if rec.Build != b.Address || rec.Processed.Key != b.PostKey() || b.untested(rec) {
		return false, nil
	}
	for _, out := range rec.Processed.Outputs {
		if there, err := b.outputExists(ctx, rec, out); err != nil || !there {
			return there, err
		}
	}
	return len(rec.Processed.Outputs) > 0, nil
}

func (b *Build) outputExists(ctx context.Context, rec artifact.Record, out artifact.Output) (bool, error) {
	a := out.Artifact
	for _, f := range a.Files {
		path := postprocessors.Input{Dir: b.dir}.Path(f.Path)
		if st, err := os.Stat(path); err != nil || st.Size() != f.Size || digestOf(path) != f.Digest {
			return false, nil
		}
	}
	switch {
	case a.Image != nil: // the registry has looked for that of the record
		return rec.Artifact.Image != nil && rec.Artifact.Image.Digest == a.Image.Digest, nil
	case len(a.Places) > 0:
		return b.found(ctx, out)
	}
	return len(a.Files) > 0, nil
}

// found asks the post-processor that made an artifact.
func (b *Build) found(ctx context.Context, out artifact.Output) (bool, error) {
	for _, chain := range b.Post {
		for _, p := range chain {
			if p.Name != out.By {
				continue
			}
			in := postprocessors.Input{BuildName: b.Name, BuilderType: b.Type, Dir: b.dir, Builder: b.Builder}
			proc, err := p.Open(nil, &in)
			if err != nil {
				return false, err
			}
			if f, ok := proc.(postprocessors.Finder); ok {
				return f.Exists(ctx, in, out.Artifact)
			}
		}
	}
	return false, nil
}

// digestOf returns the digest of a file, "" where it can't be read.
func digestOf(path string) string {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	d, err := digest.FromReader(f)
	if err != nil {
		return ""
	}
	return d.String()
}
