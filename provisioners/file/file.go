// Package file is the provisioner "file": it copies files and folders to the
// machine, or from it.
package file

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
	"github.com/ingot-build/ingot/provisioners"
)

// Config is the options of the provisioner.
type Config struct {
	// Source is the path of a file or folder: of this host, or of the machine
	// in a download. A folder is copied with its name into destination; one
	// that ends in "/" gives only its content. One of source, sources and
	// content is needed.
	Source string `hcl:"source,optional"`
	// Sources are several of source.
	Sources []string `hcl:"sources,optional"`
	// Content is the text of the file to write, with mode 0644.
	Content *secret.String `hcl:"content,optional"`
	// Destination is the path to copy to. Where it ends in "/" a file keeps
	// its name. Folders that are missing are made.
	Destination string `hcl:"destination"`
	// Direction is "upload" to the machine or "download" from it. Default
	// "upload".
	Direction string `hcl:"direction,optional"`
	// Generated says that the source is made while the build runs, by an
	// earlier step, and is read only then. As nobody can tell before whether
	// it has changed, the step runs in every build. Default false.
	Generated bool `hcl:"generated,optional"`
}

// Definition lists the provisioner.
func Definition() provisioners.Definition {
	return provisioners.Definition{Type: "file", New: func() provisioners.Provisioner {
		return &Config{Direction: "upload"}
	}}
}

// Lower returns one op for each source.
func (c *Config) Lower(in provisioners.Input) ([]op.Op, error) {
	sources := c.Sources
	if c.Source != "" {
		sources = append(sources[:len(sources):len(sources)], c.Source)
	}
	if err := c.check(sources); err != nil {
		return nil, err
	}
	if c.Direction == "download" {
		return c.download(in, sources)
	}
	if c.Content != nil {
		return []op.Op{&op.Put{File: op.File{Path: provisioners.RemotePath(c.Destination), Mode: 0o644, Blob: op.Text(*c.Content)}}}, nil
	}
	return c.upload(in, sources)
}

func (c *Config) check(sources []string) error {
	switch {
	case c.Destination == "":
		return component.Errorf("destination", "must not be empty")
	case c.Direction != "upload" && c.Direction != "download":
		return component.Errorf("direction", `%q is neither "upload" nor "download"`, c.Direction)
	case c.Content == nil && len(sources) == 0:
		return component.Errorf("source", "nothing to copy: one of source, sources and content is needed")
	case c.Content != nil && len(sources) > 0:
		return component.Errorf("content", "can't be given beside source or sources")
	case c.Content != nil && c.Direction == "download":
		return component.Errorf("content", "can't be given in a download")
	case c.Content != nil && strings.HasSuffix(c.Destination, "/"):
		return component.Errorf("destination", "%q is a folder: content needs the path of a file", c.Destination)
	}
	for _, s := range sources {
		if s == "" {
			return component.Errorf("sources", "holds an empty path")
		}
	}
	return nil
}

// option is the option that gave a source.
func (c *Config) option(source string) string {
	if source == c.Source {
		return "source"
	}
	return "sources"
}

func (c *Config) upload(in provisioners.Input, sources []string) ([]op.Op, error) {
	dest := provisioners.RemotePath(c.Destination)
	var ops []op.Op
	taken := map[string]string{}
	for _, source := range sources {
		o, err := c.send(in, source, dest)
		if err != nil {
			return nil, err
		}
		if put, ok := o.(*op.Put); ok {
			if other, twice := taken[put.File.Path]; twice {
				return nil, &component.OptionError{Option: "destination",
					Message: other + " and " + source + " would both be written to " + put.File.Path,
					Advice:  `end destination in "/" to put several files into one folder`}
			}
			taken[put.File.Path] = source
		}
		ops = append(ops, o)
	}
	return ops, nil
}

// send lowers one source of this host.
func (c *Config) send(in provisioners.Input, source, dest string) (op.Op, error) {
	host := in.Path(source)
	folder := strings.HasSuffix(source, "/")
	if c.Generated {
		if folder {
			return op.LateTree(path.Clean(dest), host), nil
		}
		return &op.Put{File: op.File{Path: target(dest, source), Blob: op.LateFile(host)}}, nil
	}
	st, err := os.Stat(filepath.Clean(host))
	if err != nil {
		return nil, c.unreadable(source, err)
	}
	if !st.IsDir() {
		if folder {
			return nil, component.Errorf(c.option(source), "%s is a file, not a folder", source)
		}
		blob, err := op.FileBlob(host)
		if err != nil {
			return nil, c.unreadable(source, err)
		}
		return &op.Put{File: op.File{Path: target(dest, source), Mode: st.Mode().Perm(), Blob: blob}}, nil
	}
	dir := dest
	if base := filepath.Base(source); !folder && base != "." && base != ".." {
		dir = path.Join(dest, base)
	}
	tree, err := op.DirTree(path.Clean(dir), host)
	if err != nil {
		return nil, c.unreadable(source, err)
	}
	return tree, nil
}

// target is where a file goes: into a destination that ends in "/", else to it.
func target(dest, source string) string {
	if dest == "" || strings.HasSuffix(dest, "/") {
		return dest + filepath.Base(source)
	}
	return dest
}

func (c *Config) unreadable(source string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return &component.OptionError{Option: c.option(source), Message: "there is no " + source,
			Advice: "set generated = true where an earlier step makes it"}
	}
	var p *fs.PathError
	if errors.As(err, &p) {
		err = p.Err
	}
	return component.Errorf(c.option(source), "read %s: %v", source, err)
}

func (c *Config) download(in provisioners.Input, sources []string) ([]op.Op, error) {
	var ops []op.Op
	taken := map[string]string{}
	for _, source := range sources {
		if strings.ContainsAny(source, "*?[") {
			return nil, &component.OptionError{Option: c.option(source), Message: source + " is a pattern, which a download does not take",
				Advice: `end the path of a folder in "/" to download what is in it`}
		}
		local := in.Path(c.Destination)
		if !strings.HasSuffix(source, "/") {
			local = target(local, source)
			if other, twice := taken[local]; twice {
				return nil, &component.OptionError{Option: "destination",
					Message: other + " and " + source + " would both be written to " + c.Destination,
					Advice:  `end destination in "/" to put several files into one folder`}
			}
			taken[local] = source
		}
		ops = append(ops, &op.Get{Path: provisioners.RemotePath(source), Local: local})
	}
	return ops, nil
}
