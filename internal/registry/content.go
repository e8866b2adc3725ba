package registry

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/opencontainers/go-digest"
	"github.com/opencontainers/image-spec/specs-go"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
	"oras.land/oras-go/v2/errdef"
)

// Types of what is stored.
const (
	// ArtifactType is the artifactType of a record's manifest.
	ArtifactType = "application/vnd.ingot.artifact.v1"
	// RecordType is the media type of a record: the config of that manifest.
	RecordType = "application/vnd.ingot.artifact.v1+json"
	// VersionType is the artifactType of a version's index.
	VersionType = "application/vnd.ingot.version.v1"
	// CheckpointType is the artifactType of a checkpoint's manifest, and with
	// "+json" the media type of its config.
	CheckpointType = "application/vnd.ingot.checkpoint.v1"
	// NothingType is the artifactType of what stands where something was
	// removed, in registries that let nobody delete.
	NothingType = "application/vnd.ingot.nothing.v1"
	// MoveType is the artifactType of a channel's move.
	MoveType = "application/vnd.ingot.move.v1"
	// NoteType is the artifactType of a channel's settings, and of a request.
	NoteType = "application/vnd.ingot.note.v1"
	// LeaseType is the artifactType of one that works on something, or wants to.
	LeaseType = "application/vnd.ingot.lease.v1"
	// TestsType is the artifactType of a run of tests of a version.
	TestsType = "application/vnd.ingot.tests.v1"
	// TestsConfigType is the media type of the config of that manifest.
	TestsConfigType = "application/vnd.ingot.tests.v1+json"
)

// Annotations, beside those that the image specification defines.
const (
	annBuild       = "vnd.ingot.build"          // address of the build
	annKey         = "vnd.ingot.key"            // its key
	annRecord      = "vnd.ingot.record"         // digest of the manifest of its record
	annRecordSize  = "vnd.ingot.record.size"    // and that manifest's size in bytes
	annRun         = "vnd.ingot.run"            // id of the run
	annTemplate    = "vnd.ingot.template"       // digest of the template
	annFingerprint = "vnd.ingot.fingerprint"    // what the environment calls the run
	annMade        = "vnd.ingot.made."          // followed by a name of Version.Made
	annLabel       = "vnd.ingot.label."         // followed by the label's name
	annFrom        = "vnd.ingot.from"           // version a channel moved from
	annTo          = "vnd.ingot.to"             // version it moved to
	annBy          = "vnd.ingot.by"             // who moved it
	annApproval    = "vnd.ingot.approval"       // "true" where a channel moves only with approval
	annApproved    = "vnd.ingot.approved"       // who approved a move
	annComment     = "vnd.ingot.comment"        // of who moved, asked or approved
	annRollback    = "vnd.ingot.rollback"       // "true" for a move back
	annUntested    = "vnd.ingot.untested"       // "true" where tests that did not pass were let pass
	annChannel     = "vnd.ingot.channel"        // that is asked for
	annNumber      = "vnd.ingot.lease.number"   // whose turn it is; 0 while it is drawn
	annBeat        = "vnd.ingot.lease.beat"     // another one each time that the holder is known to live
	annState       = "vnd.ingot.state"          // of a lease: "held", "over" or "left", none while it waits; of a request: "open" or "approved"
	annToken       = "vnd.ingot.token"          // makes a manifest the only one of its kind
	annImageName   = "io.containerd.image.name" // the name containerd and docker load read
)

// largest is the size in bytes above which a manifest or record is refused
// unread: sizes come from outside.
const largest = 16 << 20

// fetch reads something small and checks it against its digest.
func fetch(ctx context.Context, from content.Fetcher, desc ocispec.Descriptor) ([]byte, error) {
	if desc.Size < 0 || desc.Size > largest {
		return nil, fmt.Errorf("%s: %d bytes is too large", desc.Digest, desc.Size)
	}
	if err := desc.Digest.Validate(); err != nil {
		return nil, &corruptError{string(desc.Digest), err}
	}
	data, err := content.FetchAll(ctx, from, desc)
	return data, checked(desc, err)
}

// fetchJSON is fetch with the content decoded into v.
func fetchJSON(ctx context.Context, from content.Fetcher, desc ocispec.Descriptor, v any) error {
	data, err := fetch(ctx, from, desc)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, v); err != nil {
		return &corruptError{string(desc.Digest), err}
	}
	return nil
}

// readConfig reads what the config of a manifest says. What is of another type
// is not what it is said to be.
func readConfig[T any](ctx context.Context, from content.Fetcher, desc ocispec.Descriptor, mediaType, what string) (*T, error) {
	var m ocispec.Manifest
	if err := fetchJSON(ctx, from, desc, &m); err != nil {
		return nil, err
	}
	if m.ArtifactType == NothingType {
		return nil, nil
	}
	if m.Config.MediaType != mediaType {
		return nil, &corruptError{string(desc.Digest), plainError("it is not " + what)}
	}
	v := new(T)
	return v, fetchJSON(ctx, from, m.Config, v)
}

// configOf returns a function that reads the config of what a tag stands for;
// nil is one that was removed.
func configOf[T any](mediaType, what string) func(context.Context, repository, string) (*T, error) {
	return func(ctx context.Context, repo repository, tag string) (*T, error) {
		desc, err := repo.Resolve(ctx, tag)
		if errors.Is(err, errdef.ErrNotFound) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
		return readConfig[T](ctx, repo, desc, mediaType, what)
	}
}

// push stores v as JSON and returns its descriptor. What is there already is
// left alone.
func push(ctx context.Context, to content.Storage, mediaType string, v any) (ocispec.Descriptor, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return ocispec.Descriptor{}, err
	}
	desc := content.NewDescriptorFromBytes(mediaType, data)
	return desc, pushBytes(ctx, to, desc, data)
}

func pushBytes(ctx context.Context, to content.Storage, desc ocispec.Descriptor, data []byte) error {
	there, err := to.Exists(ctx, desc)
	if err != nil || there {
		return err
	}
	err = to.Push(ctx, desc, bytes.NewReader(data))
	if errors.Is(err, errdef.ErrAlreadyExists) {
		return nil
	}
	return err
}

// pushManifest stores an artifact manifest as the image specification advises
// for artifacts: the config holds the content, and where there are no layers
// the only one is empty.
func pushManifest(ctx context.Context, to content.Storage, m ocispec.Manifest) (ocispec.Descriptor, error) {
	empty := ocispec.DescriptorEmptyJSON
	if err := pushBytes(ctx, to, empty, empty.Data); err != nil {
		return ocispec.Descriptor{}, err
	}
	empty.Data = nil
	m.Versioned = specs.Versioned{SchemaVersion: 2}
	m.MediaType = ocispec.MediaTypeImageManifest
	if len(m.Layers) == 0 {
		m.Layers = []ocispec.Descriptor{empty}
	}
	if m.Config.Digest == "" {
		m.Config = empty
	}
	return push(ctx, to, m.MediaType, m)
}

// corruptError is content that is not what its digest says.
type corruptError struct {
	digest string
	err    error
}

func (e *corruptError) Error() string {
	return fmt.Sprintf("%s is corrupt: %v", short(e.digest), e.err)
}
func (e *corruptError) Unwrap() error { return e.err }

// checked returns err as a *corruptError when it says that content is not what
// its descriptor says.
func checked(desc ocispec.Descriptor, err error) error {
	for _, sign := range []error{content.ErrMismatchedDigest, content.ErrTrailingData, content.ErrInvalidDescriptorSize, io.ErrUnexpectedEOF, io.EOF} {
		if errors.Is(err, sign) {
			return &corruptError{string(desc.Digest), sign}
		}
	}
	return err
}

// descriptor returns a descriptor of a manifest from its parts in annotations.
func descriptor(dgst string, size int64) (ocispec.Descriptor, bool) {
	d := digest.Digest(dgst)
	return ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: d, Size: size}, d.Validate() == nil
}
