package plan

import (
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
)

// inputsKey is the key of what depends on inputs, where nothing closer can be
// said of it.
func inputsKey(domain, typ string, inputs []artifact.Input) key.Key {
	h := key.New(domain).String(typ)
	for _, in := range inputs {
		h.String(in.Kind).String(in.Name).String(in.Digest)
	}
	return h.Sum()
}

func optionInputs(fields map[string]string) []artifact.Input {
	var out []artifact.Input
	for _, name := range sortedKeys(fields) {
		out = append(out, artifact.Input{Kind: "option", Name: name, Digest: string(key.New("option/1").String(fields[name]).Sum())})
	}
	return out
}

// optionFiles are the files that the options of a source name.
func optionFiles(cfg builders.Config, dir string) []op.Op {
	var puts []op.Op
	for _, path := range component.KeyFiles(cfg) {
		path = hostfile.Path(dir, path)
		blob, err := op.FileBlob(path)
		if err != nil {
			blob = op.LateFile(path) // it went away since: the build says so
		}
		puts = append(puts, &op.Put{File: op.File{Blob: blob}})
	}
	return puts
}

// ChangedFiles returns the files that options of the source name and that are
// not any more what they were when the build was planned.
func (b *Build) ChangedFiles() []string { return op.Changed(b.files) }

// fileInputs names the files that ops read from this host.
func fileInputs(ops []op.Op, dir string) []artifact.Input {
	var out []artifact.Input
	add := func(path, digest string) {
		if rel, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(rel, "..") {
			path = rel
		}
		out = append(out, artifact.Input{Kind: "file", Name: filepath.ToSlash(path), Digest: digest})
	}
	for _, o := range ops {
		blobs, trees := op.Sources(o)
		for _, b := range blobs {
			if b.Name != "" {
				add(b.Name, b.Digest)
			}
		}
		for _, t := range trees {
			for _, e := range t.Entries {
				add(filepath.Join(t.Name, e.Name), e.Digest)
			}
		}
	}
	return out
}
