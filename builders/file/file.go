// Package file is the builder "file": it makes a file of this host, for
// post-processors to work on. There is no machine, so only steps that run on
// this host are possible; the file is there before they run.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/opencontainers/go-digest"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/machine"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/internal/secret"
)

// Type is the name of the builder in a template.
const Type = "file"

// Definition lists the builder.
func Definition() builders.Definition {
	return builders.Definition{Type: Type, New: func() builders.Config { return &Config{} }}
}

// Config is a source of a file of this host. Without content and source the
// file is empty.
type Config struct {
	// Target is the file to write. One that is there is replaced.
	Target string `hcl:"target" key:"disk"`
	// Content is what it holds. Default none.
	Content secret.String `hcl:"content,optional" key:"disk"`
	// Source is the file to copy, in place of content. Default none.
	Source string `hcl:"source,optional" key:"file"`
}

// Open checks the options.
func (c *Config) Open(h builders.Host) (builders.Builder, error) {
	p := &place{Config: c, host: h}
	switch {
	case c.Target == "":
		return nil, component.Errorf("target", "must not be empty")
	case c.Source != "" && c.Content.Reveal() != "":
		return nil, component.Errorf("content", "can't be given beside source")
	}
	if err := hostfile.CheckOutput(p.path(c.Target)); err != nil {
		return nil, component.Errorf("target", "%v", err)
	}
	if c.Source != "" {
		st, err := os.Stat(p.path(c.Source))
		if err != nil {
			return nil, component.Errorf("source", "%v", err)
		}
		if !st.Mode().IsRegular() {
			return nil, component.Errorf("source", "%s is not a file", c.Source)
		}
	}
	return removing{machine.Builder(p, nil), p}, nil
}

// place is this host, as far as the file goes.
type place struct {
	*Config
	host builders.Host
}

func (p *place) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(p.host.Dir, name)
}

// Resolve returns the base that every file has: none.
func (p *place) Resolve(context.Context) (builders.Base, error) {
	return builders.Base{ID: builders.NoMachine, Name: "no machine"}, nil
}

// Exists reports whether the file has the content that it was made with.
func (p *place) Exists(_ context.Context, a artifact.Artifact) (bool, error) {
	for _, f := range a.Files {
		made, err := p.stat(f.Path)
		if err != nil || made != f {
			return false, nil
		}
	}
	return len(a.Files) > 0, nil
}

// stat returns a file as it is now.
func (p *place) stat(name string) (artifact.File, error) {
	f, err := os.Open(p.path(name))
	if err != nil {
		return artifact.File{}, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return artifact.File{}, err
	}
	sum, err := digest.FromReader(f)
	return artifact.File{Path: name, Size: st.Size(), Digest: sum.String()}, err
}

// Launch writes the file.
func (p *place) Launch(ctx context.Context, _ builders.Base, env builders.Env) (machine.Machine, error) {
	var from io.Reader = strings.NewReader(p.Content.Reveal())
	if p.Source != "" {
		f, err := os.Open(p.path(p.Source))
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	perm := os.FileMode(0o600)
	if p.Source != "" {
		perm = 0o644
	}
	env.Log.Say("Writing " + p.Target)
	_, err := hostfile.Write(p.path(p.Target), perm, func(w io.Writer) error {
		_, err := io.Copy(w, hostfile.Reader(ctx, from))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("write %s: %w", p.Target, err)
	}
	return &written{p}, nil
}

// written is the file, where a machine would be.
type written struct{ place *place }

// Dial connects to nothing.
func (*written) Dial(context.Context) (net.Conn, error) {
	return nil, errors.New("a file is no machine")
}

// Capture returns the file as the steps left it.
func (w *written) Capture(context.Context) (artifact.Artifact, error) {
	f, err := w.place.stat(w.place.Target)
	if err != nil {
		return artifact.Artifact{}, err
	}
	return artifact.Artifact{Builder: Type, ID: "File", Text: "Stored file: " + f.Path, Files: []artifact.File{f}}, nil
}

// Destroy does nothing: a file that is not finished stays to be looked at, and
// is replaced by the next build.
func (*written) Destroy(context.Context) error { return nil }

// removing is a builder whose file a post-processor may have removed.
type removing struct {
	builders.Builder
	place *place
}

// NoImage says that there is none.
func (removing) NoImage() error { return errors.New("it makes a file, and no image") }

// Remove removes the file.
func (r removing) Remove(_ context.Context, a artifact.Artifact, _ bool) error {
	for _, f := range a.Files {
		if err := os.Remove(r.place.path(f.Path)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
