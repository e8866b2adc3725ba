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
// not run, with the images of the template.
func (f *templateFlags) useSandbox(ctx context.Context, images []lang.SandboxImage, progress io.Writer) (*builders.Sandbox, error) {
	if f.unread { // nothing will be asked of it
		return &builders.Sandbox{AWS: "http://127.0.0.1", AWSKey: "sandbox", AWSSecret: "sandbox", GCE: "http://127.0.0.1", GoogleToken: "sandbox"}, nil
	}
	d, err := sandboxDaemon()
	if err != nil {
		return nil, err
	}
	c, err := d.Use(ctx)
	if errors.Is(err, sandbox.ErrNotRoot) {
		return nil, builders.WithHint(err, builders.Hint(err)+"; without -sandbox the builds go to the real clouds")
	}
	if err != nil {
		return nil, err
	}
	list, err := catalogOf(images)
	if err != nil {
		return nil, err
	}
	if err := c.Supply(ctx, list, &note{w: progress}); err != nil {
		return nil, err
	}
	return c.Sandbox(), nil
}

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
