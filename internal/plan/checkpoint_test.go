package plan

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/internal/artifact"
	"github.com/ingot-build/ingot/internal/op"
)

// machines is a builder that has no layers, and checkpoints.
type machines struct {
	base string
	gone map[string]bool // ids of images
}

func (m machines) Resolve(context.Context) (builders.Base, error) {
	return builders.Base{ID: m.base, Name: m.base}, nil
}
func (machines) Supports(op.Kind) error { return nil }
func (machines) Checkpoints() error     { return nil }
func (m machines) Exists(_ context.Context, a artifact.Artifact) (bool, error) {
	if a.ID == "ami-refused" {
		return false, errors.New("access denied")
	}
	return !m.gone[a.ID], nil
}
func (machines) Begin(context.Context, builders.Base, builders.Env) (builders.Session, error) {
	panic("a plan begins nothing")
}

// regional is a builder of machines whose images are where they were made.
type regional struct {
	machines
	region string
}

func (r regional) SourceOf(_ context.Context, a artifact.Artifact) (string, error) {
	if a.Places[0].Name != r.region {
		return "", errors.New("its AMI is in " + a.Places[0].Name)
	}
	return a.ID, nil
}
func (regional) Follows(context.Context, builders.Builder, bool) error { return nil }

// machine returns a build of a machine with a step for each text.
func machineOf(base string, texts ...string) *Build {
	b := planned(base, texts...)
	b.Type, b.Address, b.Builder = "amazon-ebs", "amazon-ebs.web", machines{base: base}
	b.KeepCheckpoints, b.MostCheckpoints = time.Hour, 3
	for i, s := range b.Steps {
		s.Name = string(rune('a' + i))
	}
	return b
}

// childOf returns a build that starts from the image of another.
func childOf(always bool) *Build {
	parent, b := machineOf("debian", "base"), machineOf("", "1", "2", "3")
	parent.Address, parent.Steps[0].AlwaysRun = "amazon-ebs.base", always
	b.Parents, b.family.base = []Parent{{Address: parent.Address, Build: parent}}, parent.Address
	return b
}

// checkpointOf returns the checkpoint that b would make after a step.
func checkpointOf(t *testing.T, b *Build, step int, id string) artifact.Checkpoint {
	t.Helper()
	if err := b.Resolve(t.Context(), history{}); err != nil {
		t.Fatal(err)
	}
	c, err := b.Checkpoint(step, "run", time.Now().Add(time.Duration(step)*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	c.Artifact = artifact.Artifact{Builder: b.Type, ID: id}
	return c
}

func TestResume(t *testing.T) {
	t.Parallel()
	three := func() artifact.Checkpoint {
		return checkpointOf(t, machineOf("debian", "1", "2", "3", "4"), 3, "ami-3")
	}
	two := func() artifact.Checkpoint {
		return checkpointOf(t, machineOf("debian", "1", "2", "3", "4"), 2, "ami-2")
	}
	in := func(region string, c artifact.Checkpoint) artifact.Checkpoint {
		c.Artifact.Places = []artifact.Place{{Name: region, ID: c.Artifact.ID}}
		return c
	}
	local := []op.Op{&op.Local{Argv: []string{"true"}}}
	for name, test := range map[string]struct {
		build *Build
		have  []artifact.Checkpoint // newest first
		alter func(b *Build)
		from  int    // step
		says  string // in Fallback; "" is nothing
	}{
		"none":            {build: machineOf("debian", "1"), from: 0},
		"the deepest":     {build: machineOf("debian", "1", "2", "3", "4"), have: []artifact.Checkpoint{three(), two()}, from: 3},
		"all steps":       {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{three()}, from: 3},
		"a later change":  {build: machineOf("debian", "1", "2", "3", "x"), have: []artifact.Checkpoint{three()}, from: 3},
		"changed":         {build: machineOf("debian", "1", "x", "3", "4"), have: []artifact.Checkpoint{three()}, says: "step 2 b changed since the checkpoint after step 3 c (ami-3): b.sh changed"},
		"changed between": {build: machineOf("debian", "1", "2", "x", "4"), have: []artifact.Checkpoint{three(), two()}, from: 2, says: "step 3 c changed since"},
		"removed at the end": {build: machineOf("debian", "1", "2"), have: []artifact.Checkpoint{three()},
			says: "step 3 c was removed since the checkpoint after step 3 c (ami-3)"},
		"removed": {build: machineOf("debian", "1", "2", "3", "4"), have: []artifact.Checkpoint{three()},
			alter: func(b *Build) { b.Steps = append(b.Steps[:1:1], b.Steps[2:]...) }, says: "step 2 b was removed since"},
		"put in": {build: machineOf("debian", "1", "2", "3", "4"), have: []artifact.Checkpoint{three()},
			alter: func(b *Build) {
				s := machineOf("debian", "new").Steps[0]
				s.Name = "new"
				b.Steps = append([]*Step{b.Steps[0], s}, b.Steps[1:]...)
			}, says: "step 2 new was put in since"},
		"another base": {build: machineOf("ubuntu", "1", "2", "3"), have: []artifact.Checkpoint{three()}, says: "the base changed since the checkpoint after step 3 c (ami-3): base debian → ubuntu"},
		"gone": {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{three(), two()},
			alter: func(b *Build) { b.Builder = machines{"debian", map[string]bool{"ami-3": true}} }, from: 2, says: "the checkpoint after step 3 c (ami-3) is gone"},
		"refused": {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{checkpointOf(t, machineOf("debian", "1", "2", "3"), 3, "ami-refused")},
			says: "can't be looked at: access denied"},
		"expired": {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{func() artifact.Checkpoint { c := three(); c.Expires = time.Now().Add(-time.Second); return c }()},
			says: "has expired"},
		"force":  {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{three()}, alter: func(b *Build) { b.Force = true }},
		"always": {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{three(), two()}, alter: func(b *Build) { b.Steps[2].AlwaysRun = true }, from: 2, says: "is not used: step 3 c has always_run"},
		"a file for this host": {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{three()},
			alter: func(b *Build) { b.Steps[0].Ops = []op.Op{&op.Get{Path: "/x", Local: "x"}} }, says: "is not used: step 1 a brings something to this host"},
		"on this host": {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{three()},
			alter: func(b *Build) { b.Steps[0].Ops = local }, from: 3},
		"of another build": {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{func() artifact.Checkpoint { c := three(); c.Build = "amazon-ebs.api"; return c }()}, from: 3},
		"in another region": {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{in("paris", three()), in("dublin", two())},
			alter: func(b *Build) { b.Builder = regional{machines{base: "debian"}, "dublin"} }, from: 2, says: "the checkpoint after step 3 c (ami-3) is not used: its AMI is in paris"},
		"of a parent that always runs": {build: childOf(true), have: []artifact.Checkpoint{checkpointOf(t, childOf(true), 2, "ami-2")},
			says: "the checkpoint after step 2 b (ami-2) is not used: it follows amazon-ebs.base, which always runs"},
		"of a parent":   {build: childOf(false), have: []artifact.Checkpoint{checkpointOf(t, childOf(false), 2, "ami-2")}, from: 2},
		"of containers": {build: machineOf("debian", "1", "2", "3"), have: []artifact.Checkpoint{three()}, alter: func(b *Build) { b.Builder = images{"debian"} }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := test.build
			if test.alter != nil {
				test.alter(b)
			}
			if err := b.Resolve(t.Context(), history{checkpoints: test.have}); err != nil {
				t.Fatal(err)
			}
			from := 0
			if b.From != nil {
				from = b.From.Step
			}
			var says []string
			for _, r := range b.Fallback {
				says = append(says, r.Text)
			}
			if text := strings.Join(says, "\n"); from != test.from || !strings.Contains(text, test.says) || test.says == "" && text != "" {
				t.Errorf("begins after step %d, want %d, and says %q, want %q", from, test.from, text, test.says)
			}
			for i, s := range b.Steps {
				if want := i < test.from && !s.HostOnly(); s.Known != want {
					t.Errorf("step %d: known %v, want %v", i+1, s.Known, want)
				}
			}
		})
	}
}
