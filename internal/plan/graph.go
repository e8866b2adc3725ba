package plan

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/lang"
)

// Builds make a graph: one that takes the image of another follows it. Its key
// is made of the other's key, and not of the image's id, so that all keys are
// known before anything runs, and an image that is made again changes nothing.

// Parent is a build whose image another one takes.
type Parent struct {
	Address string
	Range   hcl.Range // of the reference
	Build   *Build    // nil where something is wrong with it
}

// family is what a build takes from others.
type family struct {
	base    string            // address of the build whose image it starts from, "" where that is another image
	more    bool              // other options have images of builds in them
	onDisk  []string          // addresses of those whose images are named in options that count in the key
	found   []artifact.Parent // of published versions, whose images data sources gave
	outside bool              // the build is not to be run
	// open opens the builder with the ids of images, by address.
	open func(images map[string]string) (builders.Builder, error)
}

// kindBuild is the kind of an input that is another build's key.
const kindBuild = "build"

// ancestors are those of the builds left out that others start from, directly
// or by way of others.
func ancestors(jobs, left []*job) []*job {
	var out []*job
	for todo := slices.Clone(jobs); len(todo) > 0; todo = todo[1:] {
		for _, p := range todo[0].src.Parents() {
			i := slices.IndexFunc(left, func(j *job) bool { return j.address == p.Address && !j.outside })
			if i >= 0 {
				left[i].outside = true
				out, todo = append(out, left[i]), append(todo, left[i])
			}
		}
	}
	return out
}

// leave makes a build one that is not run: what is recorded counts.
func (b *Build) leave() { b.family.outside, b.Force, b.Fresh = true, false, false }

// link lets each build know its parents.
func (p *Plan) link() {
	byAddress := map[string]*Build{}
	for _, b := range slices.Concat(p.Outside, p.Builds) {
		byAddress[b.Address] = b
	}
	for _, b := range byAddress {
		for i := range b.Parents {
			b.Parents[i].Build = byAddress[b.Parents[i].Address]
		}
	}
}

// checkParents reports the parents of which it is known by now that there will
// be no image, or none that the build can start from.
func checkParents(jobs []*job) {
	byAddress := map[string]*job{}
	for _, j := range jobs {
		byAddress[j.address] = j
	}
	for _, j := range jobs {
		for _, p := range j.build.Parents {
			parent := byAddress[p.Address]
			if parent == nil || parent.outside || parent.build.Builder == nil { // what is recorded counts, or it is an error already
				continue
			}
			err := parent.build.noImage()
			if c, ok := j.build.Builder.(builders.Chained); ok && err == nil && p.Address == j.build.family.base {
				err = c.Follows(context.Background(), parent.build.Builder, false)
			}
			if err != nil {
				j.diags = append(j.diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: fmt.Sprintf("%s can't take the image of %s", j.address, p.Address),
					Detail: hinted(err.Error(), err), Subject: p.Range.Ptr()})
			}
		}
	}
}

// noImage says why the build leaves no image, nil where it leaves one.
func (b *Build) noImage() error {
	if i, ok := b.Builder.(builders.Imageless); ok {
		return i.NoImage()
	}
	return nil
}

// Followed reports whether some build of the template takes the image of this
// one, also one that is left out.
func (p *Plan) Followed(address string) bool {
	for _, b := range p.Template.Builds {
		for _, s := range b.Sources {
			if slices.ContainsFunc(s.Parents(), func(p lang.Parent) bool { return p.Address == address }) {
				return true
			}
		}
	}
	return false
}

// Chained reports whether a build takes the image of another.
func (p *Plan) Chained() bool {
	return slices.ContainsFunc(p.Builds, func(b *Build) bool { return len(b.Parents) > 0 })
}

// reopen opens the builder again, with the ids of images in its options.
func (c *compiler) reopen(images map[string]string) (builders.Builder, error) {
	def, diag := find(c.template, "source", c.src.Type, c.src.Range, c.components.Builders, func(d builders.Definition) string { return d.Type })
	if diag != nil {
		return nil, diag
	}
	cfg, scope := def.New(), c.scope(lang.Real)
	scope.Images = images
	if _, diags := c.src.Decode(scope, cfg); diags.HasErrors() {
		return nil, diags
	}
	return cfg.Open(c.options.Host)
}

// found returns the builds of published versions whose images a source names.
func (c *compiler) found(images []string) []artifact.Parent {
	var out []artifact.Parent
	for _, id := range images {
		if c.options.Found == nil {
			break
		}
		if p, ok := c.options.Found(id); ok {
			out = append(out, p)
		}
	}
	return out
}

// parent returns the parent with this address, nil where there is none.
func (b *Build) parent(address string) *Build {
	for _, p := range b.Parents {
		if p.Address == address {
			return p.Build
		}
	}
	return nil
}

// pin returns the source image. Of one that another build makes, nothing has
// to be there yet.
func (b *Build) pin(ctx context.Context) (builders.Base, error) {
	for _, p := range b.Parents {
		if p.Build == nil {
			return builders.Base{}, fmt.Errorf("its parent %s is wrong", p.Address)
		}
		if p.Build.Status == Failed {
			return builders.Base{}, fmt.Errorf("its parent %s can't be planned", p.Address)
		}
	}
	if b.family.base == "" {
		return b.Builder.Resolve(ctx)
	}
	parent := b.parent(b.family.base)
	if c, ok := b.Builder.(builders.Chained); ok && !parent.family.outside {
		if err := c.Follows(ctx, parent.Builder, true); err != nil {
			return builders.Base{}, fmt.Errorf("%s: %w", b.family.base, err)
		}
	}
	return builders.Base{Name: "the image of " + b.family.base}, nil
}

// imageKey is the key of the build's image, as those that follow it see it.
func (b *Build) imageKey() key.Key {
	if b.Made != nil {
		return b.Made.Key // another one, where a step failed and was let pass
	}
	return b.Key
}

// baseID is what stands for the source image in the key.
func (b *Build) baseID() string {
	if p := b.parent(b.family.base); p != nil {
		return "build:" + string(p.imageKey())
	}
	return b.Base.ID
}

func (b *Build) baseInput() artifact.Input {
	if p := b.parent(b.family.base); p != nil {
		return artifact.Input{Kind: kindBuild, Name: p.Address, Digest: string(p.imageKey())}
	}
	return artifact.Input{Kind: kindBase, Name: b.Base.Name, Digest: string(key.New("base-id/1").String(b.Base.ID).Sum())}
}

// diskInputs are the builds whose images the disks of this one are made of.
func (b *Build) diskInputs() []artifact.Input {
	var out []artifact.Input
	for _, address := range b.family.onDisk {
		if p := b.parent(address); p != nil && address != b.family.base {
			out = append(out, artifact.Input{Kind: kindBuild, Name: address, Digest: string(p.imageKey())})
		}
	}
	return out
}

// counts reports whether a parent counts in the key.
func (b *Build) counts(p Parent) bool {
	return p.Address == b.family.base || slices.Contains(b.family.onDisk, p.Address)
}

// Distribution is the key of all that is to be brought about for the artifact
// after it is made, with the images that its tags and the like name; "" where
// the builder does nothing then.
func (b *Build) Distribution() key.Key {
	if b.distribution == "" {
		return ""
	}
	h := key.New("distribution/1").String(string(b.distribution)).String(b.Naming)
	for _, p := range b.Parents {
		if p.Build != nil && !b.counts(p) {
			h.String(string(p.Build.imageKey()))
		}
	}
	return h.Sum()
}

// always is the first step that runs whenever the build runs, -1 where none does.
func (b *Build) always() int {
	if b.family.outside {
		return -1
	}
	return slices.IndexFunc(b.Steps, func(s *Step) bool { return s.AlwaysRun })
}

// restless says which parent's image is another one after each run, whatever
// its key; nil where none is.
func (b *Build) restless() *Reason {
	if b.family.outside {
		return nil
	}
	for _, p := range b.Parents {
		if b.counts(p) && p.Build != nil && (p.Build.always() >= 0 || p.Build.restless() != nil) {
			r := followsBuild(p.Address)
			r.Text += ", which always runs"
			return &r
		}
	}
	return nil
}

func followsBuild(address string) Reason {
	return Reason{Kind: kindBuild, Name: address, Text: "follows " + address}
}

// addParents adds the parents that are to run to the reasons of a build that is.
func (b *Build) addParents() {
	for _, p := range b.Parents {
		told := slices.ContainsFunc(b.Reasons, func(r Reason) bool { return r.Kind == kindBuild && r.Name == p.Address })
		if b.counts(p) && p.Build != nil && p.Build.Status != Unchanged && !told {
			b.Reasons = append(b.Reasons, followsBuild(p.Address))
		}
	}
}

// ancestry are the builds whose images the build began with.
func (b *Build) ancestry() []artifact.Parent {
	out := slices.Clone(b.family.found)
	for _, p := range b.Parents {
		if p.Build == nil || !b.counts(p) {
			continue
		}
		a := artifact.Parent{Bucket: p.Build.Publish.Bucket, Build: p.Address, Key: p.Build.imageKey()}
		if p.Build.family.outside {
			a.Version = p.Build.Version
		}
		out = append(out, a)
	}
	return out
}

// Images names containers' images for those that begin with them.
type Images interface {
	Image(bucket string, img artifact.Image) string
}

// Follow opens the builder with the images that the parents made, and pins the
// source image. It is for builds that have something to do.
func (b *Build) Follow(ctx context.Context, names Images) error {
	if len(b.Parents) == 0 {
		return nil
	}
	images := map[string]string{}
	for _, p := range b.Parents {
		id, err := b.imageOf(ctx, p.Build, names)
		if err != nil {
			return b.SourceError(fmt.Errorf("%s: %w", p.Address, err))
		}
		images[p.Address] = id
	}
	builder, err := b.family.open(images)
	if err != nil {
		return b.SourceError(err)
	}
	b.Builder = builder
	if b.family.base == "" {
		return nil
	}
	base, err := builder.Resolve(ctx)
	if err != nil {
		return b.SourceError(err)
	}
	b.Base = base
	b.noteBase()
	return nil
}

// imageOf returns what names a parent's image.
func (b *Build) imageOf(ctx context.Context, p *Build, names Images) (string, error) {
	rec := p.Made
	if rec == nil {
		rec = p.Record
	}
	switch {
	case rec == nil:
		return "", errNotMade
	case rec.Removed():
		return "", builders.WithHint(errors.New("its image was removed when it was post-processed"), "set keep_input_artifact = true there")
	case rec.Artifact.Image != nil:
		return names.Image(p.Publish.Bucket, *rec.Artifact.Image), nil
	}
	if c, ok := b.Builder.(builders.Chained); ok && p.Address == b.family.base {
		return c.SourceOf(ctx, rec.Artifact)
	}
	if c, ok := p.Builder.(builders.Chained); ok {
		return c.SourceOf(ctx, rec.Artifact)
	}
	return "", cmp.Or(p.noImage(), errors.New("it made no image"))
}

var errNotMade = errors.New("it has not been built")

// Left is an error where a build that is to run takes the image of one that
// is left out, and that there is not: all of them are resolved.
func (b *Build) Left() error {
	if b.Status == Unchanged && !b.Distribute {
		return nil
	}
	for _, p := range b.Parents {
		if p.Build == nil || !p.Build.family.outside || p.Build.Status == Unchanged {
			continue
		}
		err := fmt.Errorf("its parent %s is left out of this run, and has to run itself", p.Address)
		if p.Build.Err != nil {
			err = fmt.Errorf("its parent %s is left out of this run: %w", p.Address, p.Build.Err)
		}
		return b.SourceError(builders.WithHint(err, "run it too: -only="+p.Address+","+b.Address))
	}
	return nil
}
