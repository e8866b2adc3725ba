package main

import (
	"bytes"
	"context"
	"errors"
	"io"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/sandbox"
	"github.com/ingot-build/ingot/internal/sandbox/catalog"
	"github.com/ingot-build/ingot/internal/sandbox/host"
)

// useSandbox returns the sandbox of this user, which is started where it does
// not run, with the images of the template. What is returned beside it makes
// the systems that these stand for.
func (f *templateFlags) useSandbox(ctx context.Context, images []lang.SandboxImage) (*builders.Sandbox, prepareFunc, error) {
	if f.unread { // nothing will be asked of it
		return &builders.Sandbox{AWS: "http://127.0.0.1", AWSKey: "sandbox", AWSSecret: "sandbox", GCE: "http://127.0.0.1", GoogleToken: "sandbox"}, nil, nil
	}
	d, err := sandboxDaemon()
	if err != nil {
		return nil, nil, err
	}
	c, err := d.Use(ctx)
	if errors.Is(err, sandbox.ErrNotRoot) {
		return nil, nil, builders.WithHint(err, builders.Hint(err)+"; without -sandbox the builds go to the real clouds")
	}
	if err != nil {
		return nil, nil, err
	}
	list, err := catalogOf(images)
	if err != nil {
		return nil, nil, err
	}
	prepare := func(ctx context.Context, progress io.Writer) error {
		return c.Prepare(ctx, list, &note{w: progress})
	}
	return c.Sandbox(), prepare, c.AddImages(ctx, list)
}

// prepareFunc does what takes long before the builds of a template can run, and
// writes to progress what it does.
type prepareFunc func(ctx context.Context, progress io.Writer) error

// note puts in front of each line what it is about.
type note struct {
	w   io.Writer
	mid bool // in a line
}

func (n *note) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if !n.mid {
			if _, err := io.WriteString(n.w, "    sandbox: "); err != nil {
				return 0, err
			}
		}
		n.mid = line[len(line)-1] != '\n'
		if _, err := n.w.Write(line); err != nil {
			return 0, err
		}
	}
	return len(p), nil
}

// catalogOf is the catalogue that a template asks for.
func catalogOf(images []lang.SandboxImage) (catalog.Catalog, error) {
	var out catalog.Catalog
	for _, i := range images {
		img := catalog.Image{Match: i.Pattern, User: i.User,
			Base: host.Base{Suite: i.Suite, Mirror: i.Mirror, Packages: i.Packages, OCI: i.OCI}}
		if err := absolute(&img.Base); err != nil {
			return nil, err
		}
		out = append(out, img)
	}
	return out, nil
}
