package engine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"

	"github.com/opencontainers/go-digest"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/postprocessors"
)

// removeOwn removes what the build made, which no post-processor keeps. From
// then on the record is about what they made of it. What other builds begin
// with stays, and what a version holds: fresh says that none can hold it yet.
func (b *build) removeOwn(ctx context.Context, rec *artifact.Record, fresh bool) error {
	remover, ok := b.Builder.(builders.Remover)
	outputs := rec.Processed.Outputs
	rest := artifact.Processed{Key: rec.Processed.Key, Outputs: outputs, Removed: true}
	rec.Processed = nil
	switch {
	case b.InPlace(): // there is nothing to remove
		return nil
	case b.plan.Followed(b.Address):
		b.log.Say(rec.Artifact.ID + " stays: other builds begin with it (keep_input_artifact)")
		return nil
	case !fresh && b.Version != "":
		b.log.Say(fmt.Sprintf("%s stays: version %s holds it (keep_input_artifact)", rec.Artifact.ID, b.Version))
		return nil
	case !ok:
		b.log.Warn(fmt.Sprintf("%s stays: what the builder %s makes can't be removed (keep_input_artifact)", rec.Artifact.ID, b.Type))
		return nil
	}
	digests, err := b.digested(outputs)
	if err != nil {
		return err
	}
	own := rec.Artifact
	own.Files = b.unheld(own.Files, outputs)
	if slices.ContainsFunc(outputs, func(o artifact.Output) bool { return holdsPart(o.Artifact, own) }) {
		return nil // a post-processor made it its own
	}
	b.log.Say("Removing " + describe(own) + " (keep_input_artifact)")
	if err := remover.Remove(ctx, own, false); err != nil {
		return fmt.Errorf("remove %s: %w", describe(own), err)
	}
	rest.Outputs = digests
	rec.Processed, rec.Artifact = &rest, chief(digests)
	return nil
}

// holdsPart reports whether a is, or is partly, the image that own is.
func holdsPart(a, own artifact.Artifact) bool {
	return own.Image != nil && digestOf(a.Image) == own.Image.Digest ||
		slices.ContainsFunc(own.Places, func(p artifact.Place) bool { return slices.Contains(a.Places, p) })
}

func describe(a artifact.Artifact) string {
	if len(a.Places) == 0 && a.Image == nil && len(a.Files) == 1 {
		return a.Files[0].Path
	}
	return a.ID
}

// chief is the artifact that stands for all that is left: the last image or,
// where there is none, the last one.
func chief(outputs []artifact.Output) artifact.Artifact {
	best, rank := artifact.Artifact{}, -1
	for _, o := range outputs {
		r := 0
		switch {
		case o.Artifact.Image != nil:
			r = 2
		case len(o.Artifact.Places) > 0:
			r = 1
		}
		if r >= rank {
			best, rank = o.Artifact, r
		}
	}
	return best
}

// digested are outputs with the digests of their files, by which a later run
// knows them.
func (b *build) digested(outputs []artifact.Output) ([]artifact.Output, error) {
	outputs = slices.Clone(outputs)
	for i := range outputs {
		a := &outputs[i].Artifact
		a.Files = slices.Clone(a.Files)
		for n := range a.Files {
			if err := b.fill(&a.Files[n]); err != nil {
				return nil, err
			}
		}
	}
	return outputs, nil
}

// fill notes the size and the digest that a file has now.
func (b *build) fill(f *artifact.File) error {
	r, err := os.Open(b.path(f.Path))
	if err != nil {
		return err
	}
	defer r.Close()
	st, err := r.Stat()
	if err != nil {
		return err
	}
	d, err := digest.FromReader(r)
	f.Size, f.Digest = st.Size(), d.String()
	return err
}

func (b *build) path(p string) string { return postprocessors.Input{Dir: b.Dir}.Path(p) }

// removeFiles removes the files of artifacts that a chain left on its way, but
// those that belong to something that is kept.
func (b *build) removeFiles(list []artifact.Artifact, held []artifact.Output) {
	for _, a := range list {
		if len(a.Files) == 0 && (a.Image != nil || len(a.Places) > 0) {
			b.log.Warn(fmt.Sprintf("%s stays: only files are removed on the way (keep_input_artifact)", a.ID))
		}
		for _, f := range b.unheld(a.Files, held) {
			if err := os.Remove(b.path(f.Path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				b.log.Warn(err.Error())
			}
		}
	}
}

// noted is what is left to do, with the digests of the files that are to go.
func (b *build) noted(at artifact.Pending) artifact.Pending {
	at.Remove = slices.Clone(at.Remove)
	for i := range at.Remove {
		at.Remove[i].Files = slices.Clone(at.Remove[i].Files)
		for n := range at.Remove[i].Files {
			_ = b.fill(&at.Remove[i].Files[n]) // one that can't be read stays
		}
	}
	return at
}

// known leaves out of artifacts that a record wants removed the files that are
// not what it says: nobody takes from this host what an earlier run did not make.
func (b *build) known(list []artifact.Artifact) []artifact.Artifact {
	list = slices.Clone(list)
	for i := range list {
		list[i].Files = slices.DeleteFunc(slices.Clone(list[i].Files), func(f artifact.File) bool {
			now := f
			return b.fill(&now) != nil || now.Digest != f.Digest
		})
	}
	return list
}

// unheld are the files that belong to none of the outputs.
func (b *build) unheld(files []artifact.File, held []artifact.Output) []artifact.File {
	return slices.DeleteFunc(slices.Clone(files), func(f artifact.File) bool {
		return slices.ContainsFunc(held, func(o artifact.Output) bool {
			return slices.ContainsFunc(o.Artifact.Files, func(g artifact.File) bool { return b.path(f.Path) == b.path(g.Path) })
		})
	})
}
