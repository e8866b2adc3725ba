// Package artifact is what builds make: values with an id in each place they
// exist, and the record that says how they came to be.
package artifact

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/ingot-build/ingot/internal/key"
)

// Artifact is an image or the files that a build made.
type Artifact struct {
	Builder string            `json:"builder"`          // type of the builder, e.g. "docker"
	ID      string            `json:"id"`               // as Packer prints it, e.g. "eu-west-1:ami-1"
	Text    string            `json:"text,omitempty"`   // one line for people
	Places  []Place           `json:"places,omitempty"` // where it exists
	Files   []File            `json:"files,omitempty"`  // files of this host that belong to it
	Arch    string            `json:"arch,omitempty"`   // GOARCH name
	Labels  map[string]string `json:"labels,omitempty"` // from the builder, e.g. "source_ami"
	Image   *Image            `json:"image,omitempty"`  // a container's image
	Tags    []string          `json:"tags,omitempty"`   // names given to a container's image: "repository:tag"
}

// Place is one place where an artifact exists: a region, a project, a machine.
type Place struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

// File is a file that belongs to an artifact.
type File struct {
	Path   string `json:"path"`
	Size   int64  `json:"size"`             // bytes
	Digest string `json:"digest,omitempty"` // "sha256:…", where its content is what counts
}

// Image is a container's image: a manifest in an OCI image layout of this host.
type Image struct {
	MediaType    string `json:"mediaType"`
	Digest       string `json:"digest"` // of the manifest, "sha256:…"
	Size         int64  `json:"size"`   // bytes of the manifest
	OS           string `json:"os"`
	Architecture string `json:"architecture"`
	Variant      string `json:"variant,omitempty"`

	Layout string `json:"-"` // the folder of the layout that holds its blobs
}

// Record says how an artifact came to be. It is stored under Key; same key,
// same image.
type Record struct {
	Build    string    `json:"build"` // address of the build
	Key      key.Key   `json:"key"`   // of the last step
	Base     Base      `json:"base"`
	Steps    []Step    `json:"steps"`
	Artifact Artifact  `json:"artifact"`
	Created  time.Time `json:"created"`
	RunID    string    `json:"runId"`

	// Attachments say something about the artifact, as an SBOM does.
	Attachments []Attachment `json:"attachments,omitempty"`

	// Distributed is the key of what its places, names, tags and shares were
	// last brought to; "" before that.
	Distributed key.Key `json:"distributed,omitempty"`
	// Named is the digest of what names the image, "" where nothing does. What
	// is volatile of it does not count.
	Named string `json:"named,omitempty"`

	// Pending are the post-processors that have not succeeded yet. The next
	// run does just those.
	Pending []Pending `json:"pending,omitempty"`

	// Parents are the builds whose images this one began with; nil where that
	// is not known.
	Parents []Parent `json:"parents,omitempty"`

	// Tested is what the last run of its tests came to; nil before that.
	Tested *Tested `json:"tested,omitempty"`

	// Processed is what came of the post-processors that have succeeded, where that
	// matters later: some are pending, or Artifact was removed for them.
	Processed *Processed `json:"processed,omitempty"`
}

// Removed reports whether what the build made was removed for what its
// post-processors made of it (keep_input_artifact). Artifact is then of theirs.
func (r Record) Removed() bool { return r.Processed != nil && r.Processed.Removed }

// Processed is what chains of post-processors came to.
type Processed struct {
	Key     key.Key  `json:"key"`               // of all post-processors
	Outputs []Output `json:"outputs,omitempty"` // in the order of the chains
	Keep    bool     `json:"keep,omitempty"`    // one of them needs what the build made
	Removed bool     `json:"removed,omitempty"` // what the build made is not there any more
}

// Output is what a post-processor left.
type Output struct {
	By       string   `json:"by"` // "CHAIN.NUMBER TYPE"
	Artifact Artifact `json:"artifact"`
}

// Done is the key of the last step that was done, "" where that is not known.
func (r Record) Done() key.Key {
	if n := len(r.Steps); n > 0 {
		return r.Steps[n-1].Key
	}
	return r.Base.Key
}

// Attachment is a document about an artifact.
type Attachment struct {
	Name   string `json:"name"`      // what the template calls it
	Type   string `json:"mediaType"` // e.g. "application/spdx+json"
	Digest string `json:"digest"`    // of the content, "sha256:…"
	Size   int64  `json:"size"`      // bytes

	Data []byte `json:"-"` // the content, where it is not in the registry yet
}

// Pending is a chain of post-processors that stopped at one of them.
type Pending struct {
	Name  string   `json:"name"`  // "CHAIN.NUMBER TYPE" of the first one that is left
	Input Artifact `json:"input"` // what it is to work on

	Earlier []Output   `json:"earlier,omitempty"` // what the chain left on its way and keeps
	Remove  []Artifact `json:"remove,omitempty"`  // what is to go when the chain is done
	Drop    bool       `json:"drop,omitempty"`    // and so is what the build made
}

// Parent is the build that made the image another one began with.
type Parent struct {
	Bucket  string  `json:"bucket"`
	Version string  `json:"version,omitempty"` // "" is the one that both are published in, else the newest that has the key
	Build   string  `json:"build"`
	Key     key.Key `json:"key"`
}

// Tested is what tests of an artifact came to.
type Tested struct {
	Key   key.Key   `json:"key"` // of the tests
	Time  time.Time `json:"time"`
	RunID string    `json:"runId"`
	Tests []Test    `json:"tests"`
}

// Passed reports whether all tests passed.
func (t *Tested) Passed() bool {
	return t != nil && !slices.ContainsFunc(t.Tests, func(one Test) bool { return !one.Passed })
}

// Test is one test block.
type Test struct {
	Name   string        `json:"name"`
	Passed bool          `json:"passed"`
	Took   time.Duration `json:"took"` // nanoseconds
	Error  string        `json:"error,omitempty"`
	Cases  []Case        `json:"cases,omitempty"`
}

// Case is one thing that a test looked at.
type Case struct {
	Name   string `json:"name"` // "port tcp:22 listening"
	Passed bool   `json:"passed"`
	Detail string `json:"detail,omitempty"` // what was found instead
}

// Checkpoint is an image of a machine on its way, after one of its steps. It is
// never published.
type Checkpoint struct {
	Bucket   string    `json:"bucket"`
	Build    string    `json:"build"` // address of the build that made it
	Key      key.Key   `json:"key"`   // of the last step that is in it
	Step     int       `json:"step"`  // its number, from 1
	Name     string    `json:"name"`  // its name
	Artifact Artifact  `json:"artifact"`
	Created  time.Time `json:"created"`
	Expires  time.Time `json:"expires"`
	RunID    string    `json:"runId"`

	// Base and Steps are what Key was made of, kept to say later what changed.
	Base  Base   `json:"base"`
	Steps []Step `json:"steps,omitempty"`

	// Attachments are what its steps have attached to the artifact to be.
	Attachments []Attachment `json:"attachments,omitempty"`

	Sandbox bool `json:"sandbox,omitempty"` // it is there, not in the cloud

	// Resource is the line that the journal had of it, for a sweep.
	Resource json.RawMessage `json:"resource,omitempty"`
}

// Base is the source a build started from.
type Base struct {
	ID   string  `json:"id"`   // what pins it: an image's id or digest
	Name string  `json:"name"` // what a person calls it
	Arch string  `json:"arch,omitempty"`
	Key  key.Key `json:"key"` // of the source and the builder options that count

	// Vars are the values of build.* that it has; nil where an earlier release
	// has not noted them.
	Vars map[string]string `json:"vars,omitzero"`

	Inputs []Input `json:"inputs,omitempty"` // what Key was made of
}

// Step is one step as it was done.
type Step struct {
	Name   string  `json:"name"`
	Key    key.Key `json:"key"`              // "" where its files changed before it ran: the artifact is not what the key says
	Inputs []Input `json:"inputs,omitempty"` // what set its key apart from its parent's
	Failed bool    `json:"failed,omitempty"` // it failed and was let pass: the artifact is not what the key says
}

// Input is one thing that a key depends on, kept to say later what changed.
type Input struct {
	Kind   string `json:"kind"`   // "file", "variable", "option" or "base"
	Name   string `json:"name"`   // e.g. "scripts/setup.sh", "var.release", "inline"
	Digest string `json:"digest"` // of its value
}
