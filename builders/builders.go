// Package builders is the contract of those who make images: one Builder a
// platform, one Session an image.
package builders

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/internal/secret"
)

// Definition lists a builder in builders/all.
type Definition struct {
	Type string // as in a template: source "TYPE" "name"
	// New returns a configuration with its defaults, a pointer to a struct
	// whose `hcl` tags are its options (see internal/component).
	New func() Config
}

// Config is the configuration of a source. Fields tagged `key:"disk"` are the
// options that change what is on the image: they count in its key.
type Config interface {
	// Open checks the options and returns the builder. It touches neither
	// network nor machine. Errors about one option are *component.OptionError.
	Open(Host) (Builder, error)
}

// Connected is a Config of machines that are logged in to.
type Connected interface {
	// ConnType is the communicator: "ssh", "winrm", or "none".
	ConnType() string
}

// Host is where ingot runs.
type Host struct {
	Dir     string      // relative paths of the template start here
	Cache   string      // the user's cache folder for ingot, made when needed
	Layout  string      // the OCI image layout that image content is stored in, made when needed
	Secrets *secret.Set // values to redact; a builder adds those that it makes or reads
	Sandbox *Sandbox    // where clouds are to be reached instead; nil is the real ones
	Shared  *sync.Map   // what builders keep for all builds of the process, by keys of their own types; nil shares nothing
}

// Sandbox is a stand-in for the clouds on this host. With it, the options of a
// source that say how its cloud is reached and with which credentials do not
// count.
type Sandbox struct {
	AWS         string // URL of the endpoint of all AWS services
	AWSKey      string // access key id
	AWSSecret   string
	GCE         string // URL of the endpoint of all Google services, without a path
	GoogleToken string // OAuth access token
}

// Builder makes images on one platform, from one source.
type Builder interface {
	// Resolve pins the source image. It changes nothing.
	Resolve(ctx context.Context) (Base, error)
	// Supports returns an error that says why where the builder can't carry
	// out ops of this kind. It is asked while planning.
	Supports(k op.Kind) error
	// Exists reports whether the artifact is still there, in every place.
	Exists(ctx context.Context, a artifact.Artifact) (bool, error)
	// Begin starts a session. It leaks nothing when it fails.
	Begin(ctx context.Context, base Base, env Env) (Session, error)
}

// Base is a source image, pinned.
type Base struct {
	ID   string    // what pins it: an image's id or digest, a machine's host key
	Name string    // what a person calls it
	Arch string    // GOARCH name; "" where it is not known before the launch
	Vars op.Values // values of build.* tokens that are known from here on: "build.SourceAMI"

	// From is what a session begins from in place of the image (see Booter);
	// nil is the image.
	From *artifact.Artifact
}

// NoMachine is the ID of a Base that is none: steps run on this host alone.
const NoMachine = "none"

// Env is what a session is given.
type Env struct {
	RunID   string
	Build   string           // address of the build
	Log     event.Log        // of the build
	Journal *journal.Journal // of the run; nil keeps nothing
	Force   bool             // -force: an image of the same name may be replaced
	Renamed bool             // the options give the image another name than it was made with: Distribute copies it
	Trial   bool             // nothing is sealed, so that no name need be free: a test
	// Hold says that what goes wrong may leave the machine, for somebody to look
	// at: Begin may return an *UnreachedError, and Seal takes care that there is
	// a machine as long as there is no image.
	Hold bool
}

// Session is one image being made.
type Session interface {
	// Vars gives the values of the tokens: build.ID, build.Host, scratch …
	Vars() op.Values
	// Apply carries out one step. The error of a command that failed is an
	// *ExitError.
	Apply(ctx context.Context, s Step) error
	// Seal makes the image, which exists after this, whatever comes later.
	Seal(ctx context.Context) (artifact.Artifact, error)
	// Close ends the session and removes all that it made but the image. It
	// is always called, on a context that outlives cancellation, and may be
	// called again.
	Close(ctx context.Context) error
}

// Step is one provisioner of a build, lowered, with its tokens replaced.
type Step struct {
	Name  string  // the provisioner's type, or its name
	Key   key.Key // of the base and all steps up to this one
	Ops   []op.Op
	Where string // "file:line" of the template
	Fresh bool   // always_run: its result is never taken from a cache
}

// StepResult tells how a step came about; a Session that knows returns it from
// LastStep.
type StepResult struct{ Cached bool }

// CacheReporter is a Session that can tell whether the step applied last was
// taken from a cache.
type CacheReporter interface{ LastStep() StepResult }

// Layered is a Builder that keeps the result of each step, so that only the
// steps after a change run again.
type Layered interface{ Layered() }

// InPlace is a Builder that makes no image: what its steps do stays where they
// do it. So only what was done there last counts as done.
type InPlace interface{ InPlace() }

// Keeper is a Session that can be told to leave the machine and what is on it
// as they are (-on-error=abort). Close then ends only what is on this host.
type Keeper interface{ Keep() }

// Forcer is a Session that can be told to take nothing from a cache (-force).
type Forcer interface{ Force() }

// Distributor is a Builder whose images are copied, shared and tagged after
// they are made.
type Distributor interface {
	// Distribution is the key of all that Distribute is to bring about: places,
	// tags, shares. The name has its own.
	Distribution() key.Key
	// NameOption is the path of the option that names the image.
	NameOption() string
	// Distribute brings it about for an image that Seal made, now or in an
	// earlier run, and returns it with all its places. It does what is missing,
	// so that it may be called again, and never removes a finished image.
	Distribute(ctx context.Context, a artifact.Artifact, env Env) (artifact.Artifact, error)
}

// Chained is a Builder that can start from what another build made.
type Chained interface {
	// SourceOf returns what its option for the source image takes to start from
	// an artifact of a build of the same platform. It changes nothing.
	SourceOf(ctx context.Context, a artifact.Artifact) (string, error)
	// Follows returns an error where it is known before anything is made that
	// the image of parent will not be where this one starts: of the options
	// alone or, with look set, of what the host has set up for the cloud too.
	Follows(ctx context.Context, parent Builder, look bool) error
}

// Imageless is a Builder whose options say whether it leaves an image that
// others can begin from.
type Imageless interface {
	// NoImage returns an error that says why it leaves none, nil where it
	// leaves one.
	NoImage() error
}

// Booter is a Builder whose sessions can begin from an artifact of its own: to
// test it, or to go on from a checkpoint.
type Booter interface {
	// BaseOf returns base with the artifact in place of its image: what is
	// known of the source image, in Vars too, stays. It talks to nobody.
	BaseOf(a artifact.Artifact, base Base) (Base, error)
}

// Checkpointing is a Booter whose sessions are Checkpointers.
type Checkpointing interface {
	// Checkpoints returns an error that says why where the options of the
	// source make checkpoints impossible.
	Checkpoints() error
}

// Checkpointer is a Session that can make an image on its way.
type Checkpointer interface {
	// Mark notes the state of the machine after the step with this key. It
	// returns as soon as later changes are not part of it.
	Mark(ctx context.Context, c Checkpoint) (Mark, error)
}

// Checkpoint says what a mark is for.
type Checkpoint struct {
	Key     key.Key   // of the last step that is in it
	Step    int       // its number, from 1
	Name    string    // its name
	Expires time.Time // when it may be swept
}

// Mark is the state of a machine as it was.
type Mark interface {
	// Image returns once there is an image that a session can begin from.
	Image(ctx context.Context) (artifact.Artifact, error)
	// Drop removes all of it. It may be called again, also after Image failed.
	Drop(ctx context.Context) error
}

// Holder is a Session whose machine can be left for a later run to go on with.
type Holder interface {
	// Hold leaves the machine as Keep does, and returns what Resume needs to
	// reach it again. It may hold secrets. Nobody but a sweep removes the
	// machine, and not before until.
	Hold(ctx context.Context, until time.Time) (json.RawMessage, error)
}

// Mortal is a Session whose machine ends by itself at some time.
type Mortal interface {
	// Ends returns when; the zero time is never.
	Ends() time.Time
}

// Visited is a Session whose machine a person can log in to.
type Visited interface {
	// Login returns how. Ok is false where nobody can.
	Login() (l Login, ok bool)
}

// Login is how a person logs in to a machine.
type Login struct {
	// Command is the command without the files below: "ssh", then "-p" …
	Command []string
	To      string // what it ends with: "admin@203.0.113.7"
	// Key is the private key and KnownHosts the text of a file with the host
	// key, for the options -i and -o UserKnownHostsFile. "" where there is none.
	Key        secret.String
	KnownHosts string
	// Password is one that was made for the machine.
	Password secret.String
}

// Resumer is a Builder that can go on with a machine that was held.
type Resumer interface {
	// Resume returns a session like the one that was held: what held says is
	// what its Hold returned. When it fails the machine stays as it is; a
	// machine that is not there any more is an ErrMachineGone.
	Resume(ctx context.Context, base Base, held json.RawMessage, env Env) (Session, error)
}

// Remover is a Builder that can remove an artifact it made, from every place,
// when a post-processor has made something else of it (keep_input_artifact).
// The engine asks for it after all post-processors have succeeded, and for
// nothing that a version holds. What is gone already is no error.
// Where the registry says that it is a checkpoint, an image that is not marked
// as one stays.
type Remover interface {
	Remove(ctx context.Context, a artifact.Artifact, checkpoint bool) error
}

// Sweeper clears what dead runs left in one cloud.
type Sweeper struct {
	Cloud string // as in journal.Resource
	// Sweep removes what in.Journal names and is still there, and then what
	// carries the marks of dead runs of the same user. It goes on after an
	// error and returns all of them.
	Sweep func(ctx context.Context, h Host, in SweepInput) error
}

// SweepInput is what a sweep is to look for.
type SweepInput struct {
	// Journal are the resources in this cloud that dead runs have not removed.
	Journal []journal.Resource
	// Checkpoints are those whose time is up, by what a registry says of them.
	Checkpoints []journal.Resource
	// Places are regions, or "project/zone"s, to look at for marked resources
	// also where no journal names one.
	Places []string
	// Live reports whether a run is still under way on this host.
	Live func(runID string) bool
	// Now and OlderThan: marked resources that no journal names are cleared
	// when they expired before Now, and are older than OlderThan.
	Now       time.Time
	OlderThan time.Duration
	DryRun    bool // find only
	// Found is told of each resource, once it was removed, or found in a dry
	// run; err says why it could not be removed.
	Found func(r journal.Resource, err error)
}

// Dead are the resources of Journal and the images of Checkpoints. A registry is
// written by many, and must not lead to other things: what it names counts only
// where the image itself carries the mark of a checkpoint, which is among its Tags.
func (in SweepInput) Dead(mark string) []journal.Resource {
	dead := slices.Clone(in.Journal)
	for _, r := range in.Checkpoints {
		if r.Kind == "image" {
			tags := map[string]string{mark: ""}
			maps.Copy(tags, r.Tags)
			r.Tags = tags
			dead = append(dead, r)
		}
	}
	return dead
}
