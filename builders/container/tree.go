package container

import (
	"context"
	"io/fs"
	"path"
	"strings"

	"github.com/moby/buildkit/client/llb"
	gateway "github.com/moby/buildkit/frontend/gateway/client"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/op"
)

// tree adds a folder's content to the state. A folder of the tree that is a
// symlink to one in the image, such as /lib of a Debian system, goes where the
// link leads: BuildKit copies it only as a copy of its own.
func (s *buildSession) tree(ctx context.Context, step builders.Step, t *op.Tree) error {
	if err := s.solve(ctx); err != nil {
		return err
	}
	text := "upload folder " + t.Dir
	c := &treeCopy{s: s, tree: t, local: s.files.add(treeFS{t.Source}, t.Name, text)}
	c.add(ctx, ".", t.Dir)
	if err := ctx.Err(); err != nil {
		return err
	}
	s.state = s.state.File(c.action, s.layer(step, text)...)
	return nil
}

// treeCopy are the copies that one tree needs.
type treeCopy struct {
	s      *buildSession
	tree   *op.Tree
	local  llb.State
	action *llb.FileAction
}

// add copies the folder from of the tree into the folder to of the image, and
// then what had to be left out of that.
func (c *treeCopy) add(ctx context.Context, from, to string) {
	links := c.links(ctx, from, to)
	info := &llb.CopyInfo{CopyDirContentsOnly: true, CreateDestPath: true,
		ChownOpt: owner(c.s.opts.owner(c.s.config.Config.User))}
	for _, link := range links {
		info.ExcludePatterns = append(info.ExcludePatterns, escape.Replace(link))
	}
	if c.action == nil {
		c.action = llb.Copy(c.local, path.Join("/", from), to, info)
	} else {
		c.action = c.action.Copy(c.local, path.Join("/", from), to, info)
	}
	for _, link := range links {
		c.add(ctx, path.Join(from, link), path.Join(to, link))
	}
}

// links returns the folders below from that are symlinks to folders below to,
// relative to both. What can't be read is not there.
func (c *treeCopy) links(ctx context.Context, from, to string) []string {
	entries, err := c.s.ref.ReadDir(ctx, gateway.ReadDirRequest{Path: to})
	if err != nil {
		return nil
	}
	var links []string
	for _, e := range entries {
		name := path.Base(e.Path)
		st, err := fs.Stat(c.tree.Source, path.Join(from, name))
		if err != nil || !st.IsDir() || c.isLink(path.Join(from, name)) {
			continue
		}
		switch mode := fs.FileMode(e.Mode); {
		case mode.Type() == fs.ModeSymlink:
			if _, err := c.s.ref.ReadDir(ctx, gateway.ReadDirRequest{Path: path.Join(to, name)}); err == nil {
				links = append(links, name)
			}
		case mode.IsDir():
			for _, below := range c.links(ctx, path.Join(from, name), path.Join(to, name)) {
				links = append(links, path.Join(name, below))
			}
		}
	}
	return links
}

func (c *treeCopy) isLink(name string) bool {
	st, err := fs.Lstat(c.tree.Source, name)
	return err == nil && st.Mode().Type() == fs.ModeSymlink
}

// escape makes a name a pattern that matches only it.
var escape = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `!`, `\!`)
