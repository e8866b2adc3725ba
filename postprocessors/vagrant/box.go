package vagrant

import (
	"archive/tar"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/pgzip"

	"github.com/ingot-build/ingot/internal/component"
	"github.com/ingot-build/ingot/internal/hostfile"
	"github.com/ingot-build/ingot/postprocessors"
)

// box is what is in one.
type box struct {
	texts []text   // metadata.json and Vagrantfile
	files []string // of this host, by their names without folders
}

type text struct{ name, content string }

// box collects what is to be in it.
func (c *Config) box(in postprocessors.Input, provider string) (*box, error) {
	metadata, err := json.Marshal(map[string]string{"provider": provider, "architecture": c.arch(in)})
	if err != nil {
		return nil, err
	}
	about, err := vagrantfile(provider, in.Artifact)
	if err != nil {
		return nil, err
	}
	if c.VagrantfileTemplate != "" {
		own, err := os.ReadFile(in.Path(c.VagrantfileTemplate))
		if err != nil {
			return nil, component.Errorf("vagrantfile_template", "%v", err)
		}
		rendered, err := in.Render(string(own), c.names(in, provider))
		if err != nil {
			return nil, component.Errorf("vagrantfile_template", "%s: %v", c.VagrantfileTemplate, err)
		}
		about += "\n" + rendered
	}
	b := &box{texts: []text{{"metadata.json", string(metadata) + "\n"}, {"Vagrantfile", about}}}
	for _, path := range c.Include {
		b.files = append(b.files, in.Path(path))
	}
	if provider == "file" {
		for _, f := range in.Artifact.Files {
			b.files = append(b.files, in.Path(f.Path))
		}
	}
	return b, b.check()
}

// check refuses two files of one name, and what is not a file.
func (b *box) check() error {
	names := []string{"metadata.json", "Vagrantfile"}
	for _, path := range b.files {
		name := filepath.Base(path)
		if slices.Contains(names, name) {
			return fmt.Errorf("%s: the box has another %s", path, name)
		}
		names = append(names, name)
		st, err := os.Stat(path)
		if err != nil {
			return err
		}
		if !st.Mode().IsRegular() {
			return fmt.Errorf("%s is not a regular file", path)
		}
	}
	return nil
}

// write writes the box, and returns its size in bytes.
func (b *box) write(ctx context.Context, path string, level int) (int64, error) {
	return hostfile.Write(path, 0o644, func(to io.Writer) error {
		zip, err := pgzip.NewWriterLevel(to, level)
		if err != nil {
			return err
		}
		err = b.pack(ctx, tar.NewWriter(zip))
		if cerr := zip.Close(); err == nil { // it ends what runs beside, whatever happened
			err = cerr
		}
		return err
	})
}

func (b *box) pack(ctx context.Context, w *tar.Writer) error {
	for _, t := range b.texts {
		head := &tar.Header{Name: t.name, Mode: 0o644, Size: int64(len(t.content)), ModTime: time.Unix(0, 0)}
		if err := w.WriteHeader(head); err != nil {
			return err
		}
		if _, err := io.WriteString(w, t.content); err != nil {
			return err
		}
	}
	for _, path := range b.files {
		if err := addFile(ctx, w, path); err != nil {
			return err
		}
	}
	return w.Close()
}

func addFile(ctx context.Context, w *tar.Writer, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	head, err := tar.FileInfoHeader(st, "")
	if err != nil {
		return err
	}
	if err := w.WriteHeader(head); err != nil {
		return err
	}
	_, err = io.Copy(w, hostfile.Reader(ctx, f))
	return err
}
