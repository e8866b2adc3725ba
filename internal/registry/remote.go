package registry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/errdef"
	orasregistry "oras.land/oras-go/v2/registry"
	"oras.land/oras-go/v2/registry/remote"
	"oras.land/oras-go/v2/registry/remote/auth"
	"oras.land/oras-go/v2/registry/remote/credentials"
	"oras.land/oras-go/v2/registry/remote/errcode"
	"oras.land/oras-go/v2/registry/remote/retry"

	"github.com/ingot-build/ingot/internal/pause"
)

// pageSize is how many names are asked for in one request. Some registries
// refuse more.
const pageSize = 1000

// attempts is how often a transfer that broke off is taken up again.
const attempts = 3

// remoteStore is an OCI registry.
type remoteStore struct {
	at     address
	client *auth.Client
	times  leaseTimes
}

func newRemote(at address) (*remoteStore, error) {
	creds, err := credentials.NewStoreFromDocker(credentials.StoreOptions{DetectDefaultNativeStore: true})
	if err != nil {
		return nil, &Error{Op: "registry " + at.String(), Err: plain(err), Advice: "the login is read from " + dockerConfig()}
	}
	client := &auth.Client{Client: httpClient(), Credential: credentials.Credential(creds), Cache: auth.NewCache()}
	client.SetUserAgent("ingot")
	if isLoopback(at.host) {
		// A registry of this host may have its token server here too.
		client.BlockedRealmPrefixes = []netip.Prefix{}
	}
	return &remoteStore{at, client, usualLeaseTimes()}, nil
}

// httpClient returns a client that tries requests again which a registry may
// answer a moment later. A host that is not there is given up after six times
// the dial's limit.
func httpClient() *http.Client {
	dialer := &net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}
	return &http.Client{Transport: retry.NewTransport(&http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   parallel,
		IdleConnTimeout:       90 * time.Second,
		TLSHandshakeTimeout:   10 * time.Second,
		ResponseHeaderTimeout: 5 * time.Minute, // a registry may take long to store a large blob
	})}
}

func (s *remoteStore) bucket(name string) (repository, error) {
	ref := orasregistry.Reference{Registry: s.at.host, Repository: s.at.repository(name)}
	if err := ref.ValidateRepository(); err != nil {
		return nil, nameError("bucket", name, "with the registry's prefix it is not a valid repository: "+ref.Repository)
	}
	repo := &remote.Repository{Client: s.client, Reference: ref, PlainHTTP: s.at.plain, TagListPageSize: pageSize}
	// Where the registry keeps no list of referrers, oras would keep one in a
	// tag that it reads, changes and writes. Nobody here reads it, and writers
	// at the same time would undo each other.
	if err := repo.SetReferrersCapability(true); err != nil {
		return nil, err
	}
	return &remoteBucket{repo, s.times}, nil
}

// buckets asks for the registry's catalog, which is optional and which public
// registries don't have.
func (s *remoteStore) buckets(ctx context.Context) ([]string, error) {
	reg := &remote.Registry{RepositoryOptions: remote.RepositoryOptions{
		Client: s.client, Reference: orasregistry.Reference{Registry: s.at.host}, PlainHTTP: s.at.plain,
	}, RepositoryListPageSize: pageSize}
	found := map[string]bool{}
	err := reg.Repositories(ctx, "", func(repos []string) error {
		for _, repo := range repos {
			if bucket, ok := strings.CutPrefix(repo, s.at.repository("")); ok && ValidBucket(bucket) == nil {
				found[bucket] = true
			}
		}
		return nil
	})
	var resp *errcode.ErrorResponse
	if errors.As(err, &resp) && resp.StatusCode >= 400 && resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests {
		return nil, &Error{
			Op:     "catalog",
			Err:    fmt.Errorf("this registry does not list its repositories, or not to you (status %d)", resp.StatusCode),
			Advice: "name the bucket, as in: ingot registry list BUCKET",
		}
	}
	return sorted(found), err
}

// bucketsWith is buckets: to look at the tags of each is for the caller.
func (s *remoteStore) bucketsWith(ctx context.Context, _ string) ([]string, error) {
	return s.buckets(ctx)
}

// remoteBucket is one repository of a registry.
type remoteBucket struct {
	*remote.Repository
	times leaseTimes
}

func (b *remoteBucket) name(ctx context.Context, desc ocispec.Descriptor, tag string) error {
	return b.Tag(ctx, desc, tag)
}

// forget deletes what the name stands for. Many registries let nobody delete:
// there the name is given to nothing, which every reader leaves out.
func (b *remoteBucket) forget(ctx context.Context, tag string) error {
	desc, err := b.Resolve(ctx, tag)
	if errors.Is(err, errdef.ErrNotFound) {
		return nil
	}
	if err == nil && b.Delete(ctx, desc) == nil {
		return nil
	}
	nothing, err := pushManifest(ctx, b, ocispec.Manifest{ArtifactType: NothingType})
	if err != nil {
		return err
	}
	return b.Tag(ctx, nothing, tag)
}

// move writes the record of the move first: where the process ends between the
// two, the history has a move too many and none too few.
func (b *remoteBucket) move(ctx context.Context, record, target ocispec.Descriptor, log, tag string) error {
	if err := b.Tag(ctx, record, log); err != nil {
		return err
	}
	return b.Tag(ctx, target, tag)
}

func (b *remoteBucket) tags(ctx context.Context) ([]string, error) {
	var list []string
	err := b.Tags(ctx, "", func(tags []string) error {
		for _, t := range tags {
			if !strings.HasPrefix(t, keyPrefix) && !strings.HasPrefix(t, referrerPrefix) {
				list = append(list, t)
			}
		}
		return nil
	})
	if isStatus(err, http.StatusNotFound) || errors.Is(err, errdef.ErrNotFound) {
		return nil, nil // nothing was ever pushed to it
	}
	return list, err
}

// whole asks for the manifest alone: a registry refuses manifests whose blobs
// it does not have.
func (b *remoteBucket) whole(ctx context.Context, image ocispec.Descriptor) (bool, error) {
	return b.Exists(ctx, image)
}

// take pushes an image. Small requests are retried by the client; a large
// upload that broke off is begun again here, and skips what has arrived.
func (b *remoteBucket) take(ctx context.Context, from *layout, image ocispec.Descriptor) error {
	var err error
	for i := range attempts {
		if err = copyGraph(ctx, from, b, image, nil); err == nil || !transient(err) || i == attempts-1 {
			return err
		}
		if err := pause.For(ctx, time.Second<<i); err != nil {
			return err
		}
	}
	return err
}
