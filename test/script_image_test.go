package test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/containerd/platforms"
	"github.com/klauspost/compress/zstd"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"github.com/rogpeppe/go-internal/testscript"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"

	"github.com/ingot-build/ingot/internal/registrytest"
)

// unpackImage unpacks a container's image, `image PATH DIR`. PATH is an OCI
// layout or a tar as docker load reads it. It writes DIR/config.json, indented,
// and the file tree that the layers make to DIR/rootfs.
func unpackImage(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: image PATH DIR")
	}
	from, to := ts.MkAbs(args[0]), ts.MkAbs(args[1])
	st, err := os.Stat(from)
	ts.Check(err)
	if !st.IsDir() {
		layout := to + ".layout"
		ts.Check(untarFile(from, layout))
		from = layout
	}
	config, layers, err := imageParts(from)
	ts.Check(err)
	ts.Check(os.MkdirAll(filepath.Join(to, "rootfs"), 0o755))
	var indented bytes.Buffer
	ts.Check(json.Indent(&indented, config, "", "  "))
	ts.Check(os.WriteFile(filepath.Join(to, "config.json"), indented.Bytes(), 0o644))
	for _, layer := range layers {
		ts.Check(untarFile(layer, filepath.Join(to, "rootfs")))
	}
}

// imageParts returns the configuration and the layers' files of the one image
// in a folder: by its index.json, or else by docker's manifest.json.
func imageParts(dir string) (config []byte, layers []string, err error) {
	index, err := readJSON[ocispec.Index](filepath.Join(dir, ocispec.ImageIndexFile))
	if errors.Is(err, fs.ErrNotExist) {
		return dockerParts(dir)
	}
	blob := func(d ocispec.Descriptor) string {
		return filepath.Join(dir, "blobs", d.Digest.Algorithm().String(), d.Digest.Encoded())
	}
	for err == nil {
		if len(index.Manifests) == 0 {
			return nil, nil, fmt.Errorf("%s: no image", dir)
		}
		d := index.Manifests[0]
		for _, other := range index.Manifests { // one image may have several names
			if other.Digest != d.Digest {
				return nil, nil, fmt.Errorf("%s: more than one image", dir)
			}
		}
		if d.MediaType != ocispec.MediaTypeImageIndex {
			m, err := readJSON[ocispec.Manifest](blob(d))
			if err != nil {
				return nil, nil, err
			}
			for _, l := range m.Layers {
				layers = append(layers, blob(l))
			}
			config, err = os.ReadFile(blob(m.Config))
			return config, layers, err
		}
		index, err = readJSON[ocispec.Index](blob(d))
	}
	return nil, nil, err
}

func dockerParts(dir string) (config []byte, layers []string, err error) {
	type image struct {
		Config string
		Layers []string
	}
	list, err := readJSON[[]image](filepath.Join(dir, "manifest.json"))
	if err != nil || len(list) != 1 {
		return nil, nil, fmt.Errorf("%s: %d images: %w", dir, len(list), err)
	}
	for _, l := range list[0].Layers {
		layers = append(layers, filepath.Join(dir, l))
	}
	config, err = os.ReadFile(filepath.Join(dir, list[0].Config))
	return config, layers, err
}

func readJSON[T any](file string) (v T, err error) {
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &v)
	}
	return v, err
}

// pullImage pulls an image as any client of registries does,
// `pull [-login] HOST/NAME:TAG PLATFORM DIR`, to an OCI layout.
func pullImage(ts *testscript.TestScript, neg bool, args []string) {
	login := len(args) > 0 && args[0] == "-login"
	if login {
		args = args[1:]
	}
	if len(args) != 3 {
		ts.Fatalf("usage: pull [-login] HOST/NAME:TAG PLATFORM DIR")
	}
	err := pull(context.Background(), login, args[0], args[1], ts.MkAbs(args[2]))
	if neg != (err != nil) {
		ts.Fatalf("pull: %v", err)
	}
}

func pull(ctx context.Context, login bool, name, platform, dir string) error {
	from, err := remote.NewRepository(name)
	if err != nil {
		return err
	}
	from.PlainHTTP = true
	if login {
		from.Client = &auth.Client{Credential: auth.StaticCredential(from.Reference.Registry, auth.Credential{
			Username: registrytest.User, Password: registrytest.Password,
		})}
	}
	want, err := platforms.Parse(platform)
	if err != nil {
		return err
	}
	to, err := oci.New(dir)
	if err != nil {
		return err
	}
	opts := oras.DefaultCopyOptions
	opts.WithTargetPlatform(&want)
	_, err = oras.Copy(ctx, from, from.Reference.Reference, to, "", opts)
	return err
}

// unpacked returns what a reader gives, unpacked where it is packed.
func unpacked(r io.Reader) (io.ReadCloser, error) {
	var magic [4]byte
	n, err := io.ReadFull(r, magic[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, err
	}
	all := io.MultiReader(bytes.NewReader(magic[:n]), r)
	switch {
	case bytes.HasPrefix(magic[:], []byte{0x1f, 0x8b}):
		return gzip.NewReader(all)
	case bytes.Equal(magic[:], []byte{0x28, 0xb5, 0x2f, 0xfd}):
		d, err := zstd.NewReader(all)
		if err != nil {
			return nil, err
		}
		return d.IOReadCloser(), nil
	}
	return io.NopCloser(all), nil
}

// untarFile extracts a tar, packed or not, over what is in dir. Whiteouts of
// layers remove.
func untarFile(file, dir string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	r, err := unpacked(f)
	if err != nil {
		return err
	}
	defer r.Close()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return nil
		}
		if err == nil {
			err = untarEntry(tr, h, dir)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
	}
}

func untarEntry(r io.Reader, h *tar.Header, dir string) error {
	to := filepath.Join(dir, filepath.FromSlash(path.Clean("/"+h.Name)))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	if name, ok := strings.CutPrefix(path.Base(h.Name), ".wh."); ok {
		if name == ".wh..opq" {
			return os.RemoveAll(filepath.Dir(to))
		}
		return os.RemoveAll(filepath.Join(filepath.Dir(to), name))
	}
	if h.Typeflag == tar.TypeDir {
		return os.MkdirAll(to, 0o755)
	}
	if err := os.RemoveAll(to); err != nil {
		return err
	}
	switch h.Typeflag {
	case tar.TypeSymlink:
		return os.Symlink(h.Linkname, to)
	case tar.TypeLink:
		return os.Link(filepath.Join(dir, filepath.FromSlash(path.Clean("/"+h.Linkname))), to)
	case tar.TypeReg:
		out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, h.FileInfo().Mode().Perm()|0o600)
		if err != nil {
			return err
		}
		_, err = io.Copy(out, r)
		return errors.Join(err, out.Close())
	}
	return nil // devices
}

// absent checks that no file of the folders has a text, `absent TEXT FOLDER…`,
// also not packed or in base64.
func absent(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: absent TEXT FOLDER...")
	}
	var hits []string
	for _, root := range args[1:] {
		ts.Check(filepath.WalkDir(ts.MkAbs(root), func(file string, d fs.DirEntry, err error) error {
			if errors.Is(err, fs.ErrNotExist) || err == nil && !d.Type().IsRegular() {
				return nil
			}
			if err != nil {
				return err
			}
			found, err := holdsText(file, args[0])
			if found {
				hits = append(hits, file)
			}
			return err
		}))
	}
	if neg != (len(hits) > 0) {
		ts.Fatalf("files with the text: %q", hits)
	}
}

func holdsText(file, text string) (bool, error) {
	f, err := os.Open(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	r, err := unpacked(f)
	if err != nil {
		return false, nil // it only looked packed
	}
	defer r.Close()
	return streamHolds(r, []byte(text))
}

// streamHolds looks for a text in a stream, keeping the end of each part so
// that the border between two hides nothing.
func streamHolds(r io.Reader, text []byte) (bool, error) {
	buf := make([]byte, 0, 1<<20)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if bytes.Contains(buf, text) {
			return true, nil
		}
		if err != nil {
			return false, nil
		}
		if keep := len(text); len(buf) > keep {
			buf = append(buf[:0], buf[len(buf)-keep:]...)
		}
	}
}
