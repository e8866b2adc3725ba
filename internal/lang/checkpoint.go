package lang

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"
)

// Checkpoints says after which steps of a build an image of the machine is
// made, and for how long: block checkpoint, and checkpoint = true.
type Checkpoints struct {
	Range hcl.Range
	Keep  time.Duration // until one expires
	Max   int           // of one build; 0 is what the template has steps for, and three at least

	after []string
	at    func(option string) hcl.Range
}

// keepCheckpoints is how long a checkpoint is kept where the template does not
// say.
const keepCheckpoints = 7 * 24 * time.Hour

type checkpointAttrs struct {
	After []string `hcl:"after,optional"`
	Keep  string   `hcl:"keep,optional"`
	Max   *int     `hcl:"max,optional"`
}

// checkpoints reads a block checkpoint.
func (t *Template) checkpoints(b *hcl.Block, around []iteration) (*Checkpoints, hcl.Diagnostics) {
	c := &Checkpoints{Range: b.DefRange, Keep: keepCheckpoints}
	var a checkpointAttrs
	places, diags := t.decodeWhole(b, around, &a)
	if diags.HasErrors() {
		return c, diags
	}
	fail := func(option, detail string) {
		diags = append(diags, errorAt(places.At(option), fmt.Sprintf("Wrong value for %q", option), detail))
	}
	c.after, c.at = a.After, places.At
	if a.Keep != "" {
		d, err := days(a.Keep)
		if c.Keep = d; err != nil || d <= 0 {
			fail("keep", `A time is needed, e.g. "7d" or "36h".`)
		}
	}
	if a.Max != nil {
		if c.Max = *a.Max; c.Max < 1 {
			fail("max", "It is how many checkpoints are kept: 1 at least. Leave the block out to have none.")
		}
	}
	return c, diags
}

// days reads a duration in which "d" stands for 24 hours, as in "7d" and
// "1d12h".
func days(text string) (time.Duration, error) {
	var whole time.Duration
	if count, rest, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.Atoi(count)
		if err != nil || n < 0 || n > 36500 {
			return 0, fmt.Errorf("%q is not a number of days", count)
		}
		whole, text = time.Duration(n)*24*time.Hour, rest
	}
	if text == "" {
		return whole, nil
	}
	part, err := time.ParseDuration(text)
	return whole + part, err
}

// markCheckpoints marks the provisioners that the build's block names, by name,
// type or number.
func (b *Build) markCheckpoints() hcl.Diagnostics {
	if b.Checkpoints == nil {
		return nil
	}
	var diags hcl.Diagnostics
	for _, want := range b.Checkpoints.after {
		var found []*Provisioner
		n, err := strconv.Atoi(want)
		for i, p := range b.Provisioners {
			if p.Name == want || p.Name == "" && p.Type == want || err == nil && n == i+1 {
				found = append(found, p)
			}
		}
		switch len(found) {
		case 1:
			found[0].Checkpoint = true
		case 0:
			diags = append(diags, errorAt(b.Checkpoints.at("after"), fmt.Sprintf("No step %q", want), "after names steps of this build, by name or by number from 1: "+strings.Join(b.stepNames(), ", ")+"."))
		default:
			diags = append(diags, errorAt(b.Checkpoints.at("after"), fmt.Sprintf("Several steps %q", want), "Give the one that is meant a name of its own, or its number."))
		}
	}
	if marked := b.marked(); b.Checkpoints.Max > 0 && marked > b.Checkpoints.Max {
		diags = append(diags, errorAt(b.Checkpoints.at("max"), `Wrong value for "max"`,
			fmt.Sprintf("%d steps have checkpoints, of which %d would be kept.", marked, b.Checkpoints.Max)))
	}
	return diags
}

// marked counts the provisioners with a checkpoint.
func (b *Build) marked() int {
	n := 0
	for _, p := range b.Provisioners {
		if p.Checkpoint {
			n++
		}
	}
	return n
}

func (b *Build) stepNames() []string {
	var names []string
	for i, p := range b.Provisioners {
		name := p.Name
		if name == "" {
			name = p.Type
		}
		if name = fmt.Sprintf("%d %s", i+1, name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// fewestKept is how many checkpoints of a build are kept where the template
// does not say.
const fewestKept = 3

// CheckpointLimits says how long checkpoints of the build are kept, and how
// many.
func (b *Build) CheckpointLimits() (keep time.Duration, most int) {
	keep, most = keepCheckpoints, max(fewestKept, b.marked())
	if c := b.Checkpoints; c != nil {
		keep = c.Keep
		if c.Max > 0 {
			most = c.Max
		}
	}
	return keep, most
}
