package host

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/distribution/reference"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/content/oci"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/retry"
)

// layoutScheme is in front of the folder of an OCI image layout.
const layoutScheme = "oci-layout:"

// pull copies an image for this machine's architecture to the cache.
func (h *local) pull(ctx context.Context, ref string, w io.Writer) (content.ReadOnlyStorage, ocispec.Descriptor, error) {
	from, tag, err := origin(ctx, ref)
	if err != nil {
		return nil, ocispec.Descriptor{}, fmt.Errorf("base %s: %w", ref, err)
	}
	dir := filepath.Join(h.cache, "images")
	to, err := oci.NewWithContext(ctx, dir)
	if err != nil {
		return nil, ocispec.Descriptor{}, err
	}
	to.AutoSaveIndex = false // blobs are found by their digests, also by other processes
	options := oras.DefaultCopyOptions
	options.WithTargetPlatform(&ocispec.Platform{OS: "linux", Architecture: runtime.GOARCH})
	options.PreCopy = func(_ context.Context, d ocispec.Descriptor) error {
		_, err := fmt.Fprintf(w, "pull %s (%d bytes)\n", d.Digest, d.Size)
		return err
	}
	desc, err := oras.Copy(ctx, from, tag, to, "", options)
	if err != nil {
		if copying, ok := errors.AsType[*oras.CopyError](err); ok {
			err = copying.Err
		}
		return nil, ocispec.Descriptor{}, fmt.Errorf("base %s: %w", ref, err)
	}
	return to, desc, nil
}

// origin returns where an image is, and its name there.
func origin(ctx context.Context, ref string) (oras.ReadOnlyTarget, string, error) {
	if dir, ok := strings.CutPrefix(ref, layoutScheme); ok {
		tag := "latest"
		if name, sum, ok := strings.Cut(dir, "@"); ok {
			dir, tag = name, sum
		} else if i := strings.LastIndexByte(dir, ':'); i > strings.LastIndexByte(dir, '/') {
			dir, tag = dir[:i], dir[i+1:]
		}
		layout, err := oci.NewFromFS(ctx, os.DirFS(dir))
		return layout, tag, err
	}
	named, err := reference.ParseDockerRef(ref)
	if err != nil {
		return nil, "", err
	}
	repo, err := remote.NewRepository(reference.TrimNamed(named).String())
	if err != nil {
		return nil, "", err
	}
	name, _, err := net.SplitHostPort(reference.Domain(named))
	if err != nil {
		name = reference.Domain(named)
	}
	ip := net.ParseIP(name)
	repo.PlainHTTP = name == "localhost" || ip != nil && ip.IsLoopback()
	store, err := credentials.NewStoreFromDocker(credentials.StoreOptions{})
	if err != nil {
		return nil, "", err
	}
	repo.Client = &auth.Client{Client: retry.DefaultClient, Cache: auth.NewCache(), Credential: credentials.Credential(store)}
	if d, ok := named.(reference.Digested); ok {
		return repo, d.Digest().String(), nil
	}
	return repo, named.(reference.Tagged).Tag(), nil
}
