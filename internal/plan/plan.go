// Package plan turns a template into what is to be done: each build with its
// steps lowered to ops, their keys chained, and, for those that will run, why.
package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/key"
	"github.com/ingot-build/ingot/internal/lang"
	"github.com/ingot-build/ingot/internal/op"
	"github.com/ingot-build/ingot/postprocessors"
	"github.com/ingot-build/ingot/provisioners"
)

// Components lists what templates may use.
type Components struct {
	Builders       []builders.Definition
	Provisioners   []provisioners.Definition
	PostProcessors []postprocessors.Definition
}

// Plan is a template, ready to run.
type Plan struct {
	Template *lang.Template
	Builds   []*Build
	// LeftOut are the addresses of the builds that -only and -except leave
	// out, by bucket.
	LeftOut map[string][]string
	// Outside are the builds among them that Builds start from, directly or by
	// way of others. They are not run: what is recorded of them is used.
	Outside []*Build
}

// Status says what a build has to do.
type Status string

// The states of a build after Resolve.
const (
	New       Status = "new"       // nothing is recorded for it
	Changed   Status = "changed"   // something differs from the last version
	Unchanged Status = "unchanged" // its artifact is recorded and still exists
	Failed    Status = "failed"    // its source can't be resolved: Err says why
)

// Build is one source run through one build block.
type Build struct {
	Address string // "[name.]type.name"
	Type    string // of the builder
	Name    string // of the source, as the template's provisioners see it
	Range   hcl.Range
	Publish Publish

	Builder builders.Builder
	Steps   []*Step
	Cleanup *Step    // error-cleanup-provisioner; nil where there is none
	Tests   []*Test  // of the image
	Post    [][]Post // chains of post-processors
	Force   bool     // -force
	Fresh   bool     // every step runs, also where nothing changed
	Parents []Parent // builds whose images the source takes, in the order of the template

	Naming string // digest of the option that names images, without what is volatile of it; "" where none is set

	KeepCheckpoints time.Duration // until a checkpoint expires
	MostCheckpoints int           // that are kept of this build

	options      []artifact.Input // builder options that count, by name, and the files that they name
	files        []op.Op          // with the content of these files
	distribution key.Key          // of a builder that distributes its images, else ""
	dir          string
	family       family // of the build: what it starts from

	// Resolve sets these.
	Base       builders.Base
	BaseRecord artifact.Base
	Key        key.Key // of the last step
	Slot       key.Key // what the record is stored under: Key, one of this build alone, or one for all that is done in one place
	Used       bool    // something is recorded there
	Status     Status
	Err        error
	Record     *artifact.Record // of the artifact, where Unchanged
	Test       bool             // Unchanged, but the artifact has not passed the tests as they are now
	Distribute bool             // Unchanged, but the artifact is not yet where and as it is to be
	Version    string           // the version compared with; "" where there is none
	Reasons    []Reason         // why the build as a whole runs

	From     *artifact.Checkpoint // what it begins with in place of the base, with the steps up to there; nil is the base
	Fallback []Reason             // why it does not begin with a later checkpoint

	// Made is the record of what the build made in this run; nil before that.
	Made *artifact.Record
}

// Publish says where a build's version goes.
type Publish struct {
	Bucket, Version, Description string
	Channels                     []string
	Settings                     []lang.Channel
	Labels                       map[string]string
	Where                        string // in the template, "file:line"; "" where it has no such block
}

// Step is one provisioner of a build, lowered.
type Step struct {
	Name  string // the provisioner's name, or its type
	Type  string
	Ops   []op.Op
	Range hcl.Range

	PauseBefore, Timeout time.Duration // 0 is none
	MaxRetries           int
	ContinueOnError      bool
	AlwaysRun            bool
	Checkpoint           bool // an image of the machine is made after it

	// Attach returns what the step attaches to the artifact, from the folder
	// that op.Attachments stands for; nil for one that works on the machine.
	Attach  func(dir string) ([]artifact.Attachment, error)
	Lenient bool // it is no more than a warning when the step fails
	// Cases returns what the step looked at, from the same folder; nil for one
	// that expects nothing.
	Cases func(dir string) ([]artifact.Case, error)

	late   bool    // it reads files that an earlier step makes
	hash   key.Key // of the ops in their keyed form
	inputs []artifact.Input
	with   func(op.Values) (*Step, error) // is With; nil where there is no need

	// Resolve sets these.
	Key     key.Key
	Known   bool     // recorded in the version compared with, and so are all before it
	Reasons []Reason // why it runs, where it is not known
}

// With returns the step as it is when these values are known: its options are
// evaluated again where they are made of more than tokens. Tokens stay.
func (s *Step) With(values op.Values) (*Step, error) {
	if s.with == nil {
		return s, nil
	}
	return s.with(values)
}

// Reason is one cause for running.
type Reason struct {
	Kind string `json:"kind"`           // "file", "variable", "option", "base", "build", "step", "new", "force", "always", "checkpoint"
	Name string `json:"name,omitempty"` // what changed
	Text string `json:"text"`           // for people: "scripts/setup.sh changed"
}

// Post is one post-processor, whose options are evaluated when it runs.
type Post struct {
	Name string // "CHAIN.NUMBER TYPE"
	Type string
	Def  postprocessors.Definition
	Spec *lang.PostProcessor
	src  *lang.Source
	host builders.Host
	key  key.Key // of its options
}

// Where returns the step's place in the template, "file:line".
func (s *Step) Where() string { return where(s.Range) }

// onHost reports whether the step works on this host, where no image keeps
// what it did.
func (s *Step) onHost() bool {
	return slices.ContainsFunc(s.Ops, func(o op.Op) bool {
		return o.Kind() == op.KindLocal || o.Kind() == op.KindGet || o.Kind() == op.KindCapture
	})
}

// Files counts the files that the build's steps read.
func (b *Build) Files() int {
	n := 0
	for _, s := range b.Steps {
		for _, in := range s.inputs {
			if in.Kind == "file" {
				n++
			}
		}
	}
	return n
}

// NewRecord returns the record of an artifact made by running the build.
func (b *Build) NewRecord(runID string, a artifact.Artifact, now time.Time) artifact.Record {
	rec := artifact.Record{Build: b.Address, Key: b.Key, Base: b.BaseRecord, Artifact: a, Named: b.Naming, Created: now.UTC(), RunID: runID, Parents: b.ancestry()}
	rec.Steps = b.stepRecords()
	return rec
}

func (b *Build) stepRecords() (out []artifact.Step) {
	for _, s := range b.Steps {
		out = append(out, artifact.Step{Name: s.Name, Key: s.Key, Inputs: s.inputs})
	}
	return out
}

// NothingLeft returns the error of a plan without builds.
func (p *Plan) NothingLeft() error {
	if len(p.LeftOut) == 0 {
		return builders.WithHint(fmt.Errorf("no builds to run: %s has no build block with a source", p.Template.Path),
			`add one: build { sources = ["TYPE.NAME"] }`)
	}
	all := slices.Concat(slices.Collect(maps.Values(p.LeftOut))...)
	slices.Sort(all)
	return fmt.Errorf("no builds to run: -only and -except leave none of %s", strings.Join(all, ", "))
}

// Todo reports whether a run would build, test or distribute something.
func (p *Plan) Todo() bool {
	for _, b := range p.Builds {
		if b.Status != Unchanged || b.Test || b.Distribute {
			return true
		}
	}
	return false
}
