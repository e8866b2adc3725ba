package gce

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"google.golang.org/api/compute/v1"

	"github.com/ingot-build/ingot/internal/sandbox/host"
	"github.com/ingot-build/ingot/internal/sandbox/rootdisk"
)

// Images of raw disks in Cloud Storage:
// https://cloud.google.com/compute/docs/import/import-existing-image

// rawDisk fills in an image that is to be made of an archive.
func (c *call) rawDisk(r *resource) error {
	source := r.Image.RawDisk.Source
	name, ok := objectOf(source)
	if !ok {
		return invalid("resource.rawDisk.source", source, "The URL is malformed.")
	}
	if c.state.Objects[name] == nil {
		return invalid("resource.rawDisk.source", source, "The referenced object does not exist, or cannot be read.")
	}
	r.Image.RawDisk = &compute.ImageRawDisk{Source: source, ContainerType: "TAR"}
	r.Content = &content{Archive: name}
	if r.Image.Architecture == "" {
		r.Image.Architecture = "X86_64"
	}
	return nil
}

// objectOf is the object, "bucket/key", that a URL names: one for browsers, or
// that of the API.
func objectOf(text string) (string, bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" {
		return "", false
	}
	bucket, key, ok := strings.Cut(strings.TrimPrefix(u.Path, "/"), "/")
	if u.Host != storageHost {
		bucket, key, ok = strings.Cut(strings.TrimPrefix(u.Path, "/storage/v1/b/"), "/o/")
		ok = ok && u.Host == "www.googleapis.com"
	}
	return bucket + "/" + key, ok && bucket != "" && key != ""
}

// unpack makes an image's content of its archive: a file tree where a file
// system is known on the disk, else the bytes.
func (s *Server) unpack(path string) error {
	var archive, name string
	s.locked(func() {
		r := s.state.Resources[path]
		if r == nil || r.Content.Archive == "" {
			return
		}
		if o := s.state.Objects[r.Content.Archive]; o != nil {
			archive, name = s.file(o.File), fmt.Sprintf("%d.img", r.ID)
		}
	})
	if name == "" {
		return nil
	}
	size, err := unpackDisk(archive, s.file(name))
	if err != nil {
		return errors.Join(&failure{Code: "INVALID_USAGE", Message: "The tarball is invalid: " + err.Error(), Status: 400}, os.Remove(s.file(name)))
	}
	layer, err := s.treeOf(s.ctx, s.file(name))
	if err != nil {
		return err
	}
	s.locked(func() {
		r := s.state.Resources[path]
		r.Content, r.Image.DiskSizeGb, s.dirty = &content{File: name}, (size+1<<30-1)>>30, true
		if layer != "" {
			r.Content = &content{Base: layer}
		}
	})
	return nil
}

// treeOf returns the layer of the root file system on a disk, whose file is
// removed then; or none.
func (s *Server) treeOf(ctx context.Context, file string) (host.LayerID, error) {
	if rootdisk.Has(file) != nil {
		return "", nil
	}
	ref, err := rootdisk.Layout(ctx, file)
	if err != nil {
		return "", err
	}
	layer, err := s.options.Host.Base(ctx, host.Base{OCI: ref}, logWriter{s.options.Log})
	return layer, errors.Join(err, os.Remove(file), os.RemoveAll(file+rootdisk.LayoutExt))
}

// unpackDisk writes the file disk.raw of a tar.gz, and returns its size.
func unpackDisk(archive, to string) (int64, error) {
	f, err := os.Open(archive)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return 0, err
	}
	out, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	defer out.Close()
	for all := tar.NewReader(z); ; {
		h, err := all.Next()
		if errors.Is(err, io.EOF) {
			return 0, errors.New("it has no file disk.raw")
		}
		if err != nil {
			return 0, err
		}
		if strings.TrimPrefix(h.Name, "./") != "disk.raw" {
			continue
		}
		if err := errors.Join(copyHoles(out, all), out.Truncate(h.Size)); err != nil {
			return 0, err
		}
		return h.Size, out.Close()
	}
}

// copyHoles leaves holes in a file where there are only zeros.
func copyHoles(out *os.File, in io.Reader) error {
	const block = 1 << 20
	buf, zeros := make([]byte, block), make([]byte, block)
	for at := int64(0); ; {
		n, err := io.ReadFull(in, buf)
		if !bytes.Equal(buf[:n], zeros[:n]) {
			if _, err := out.WriteAt(buf[:n], at); err != nil {
				return err
			}
		}
		at += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}
