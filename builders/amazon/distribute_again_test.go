package amazon

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingot-build/ingot/builders"
	"github.com/ingot-build/ingot/builders/amazon/amazontest"
	"github.com/ingot-build/ingot/internal/event"
	"github.com/ingot-build/ingot/internal/journal"
	"github.com/ingot-build/ingot/internal/sandbox/fault"
	"github.com/ingot-build/ingot/internal/sandbox/timing"
)

// TestFailedCopy checks that a copy that fails leaves the finished images
// alone, and that the next run does what is missing and nothing else.
func TestFailedCopy(t *testing.T) {
	t.Parallel()
	l := newLab(t, fault.Rule{Call: "ec2.CopyImage@eu-west-1", Do: fault.Error, Code: "InvalidRequest", Status: 400, Message: "The storage is full", Nth: 1})
	c := AMIConfig{Name: "web-1", Regions: []string{"eu-west-1", "eu-central-1"}, Users: []string{"111111111111"}}
	a, err := l.distribution(c).Distribute(t.Context(), l.built("web-1"), l.env)
	if err == nil || !strings.Contains(err.Error(), "copy to eu-west-1: The storage is full") {
		t.Fatalf("error = %v", err)
	}
	if got := regionsOf(a); !slices.Equal(got, []string{"eu-central-1", home}) {
		t.Fatalf("places after the failure: %v", got)
	}
	for _, p := range a.Places {
		if tags := tagMap(l.described(p.Name, p.ID).Tags); tags[tagExpires] != "" {
			t.Errorf("%s in %s expires: %v", p.ID, p.Name, tags)
		}
	}
	_, mark := l.Changes(0)
	env := l.env
	env.RunID = "run-2"
	a, err = l.distribution(c).Distribute(t.Context(), a, env)
	if err != nil {
		t.Fatal(err)
	}
	if got := regionsOf(a); !slices.Equal(got, []string{"eu-central-1", "eu-west-1", home}) {
		t.Fatalf("places: %v", got)
	}
	changes, _ := l.Changes(mark)
	if !slices.Equal(changes, []string{"ec2.CopyImage", "ec2.ModifyImageAttribute", "ec2.DeleteTags"}) {
		t.Errorf("the second run did %v", changes)
	}
}

// TestAnswerLost checks that a copy whose answer was lost is made once.
func TestAnswerLost(t *testing.T) {
	t.Parallel()
	l := newLab(t, fault.Rule{Call: "ec2.CopyImage", Do: fault.DropAfter, Nth: 1})
	c := AMIConfig{Name: "web-1", Regions: []string{"eu-west-1"}}
	a, err := l.distribution(c).Distribute(t.Context(), l.built("web-1"), l.env)
	if err != nil {
		t.Fatal(err)
	}
	if images := l.images("eu-west-1"); len(images) != 1 || images[0] != a.Places[0].ID {
		t.Errorf("images %v, places %v", images, a.Places)
	}
}

// TestAdopt checks that a copy that a killed run has begun is taken over, and
// that a sweep of that run then leaves it alone.
func TestAdopt(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.built("web-1")
	dead := l.env
	dead.RunID = "run-0"
	tags := marks(dead, time.Hour, time.Now())
	tags[tagOrigin] = home + ":" + a.Places[0].ID
	id := l.registered("eu-west-1", "web-1", tags)
	a, err := l.distribution(AMIConfig{Name: "web-1", Regions: []string{"eu-west-1"}}).Distribute(t.Context(), a, l.env)
	if err != nil {
		t.Fatal(err)
	}
	if a.Places[0].ID != id {
		t.Fatalf("places %v: %s was there already", a.Places, id)
	}
	gone := l.sweep(builders.SweepInput{Now: time.Now(), Journal: []journal.Resource{
		{Cloud: cloud, Place: "eu-west-1", Kind: kindImage, ID: id, Tags: marks(dead, time.Hour, time.Now()), Created: time.Now()}}})
	if len(gone) > 0 {
		t.Errorf("the sweep removed %v", gone)
	}
}

// TestCancelledCopy checks that a copy that nobody waits for any more is
// removed, and what is finished stays.
func TestCancelledCopy(t *testing.T) {
	t.Parallel()
	slow := timing.Zero()
	slow.Copy = time.Hour
	l := newLab(t)
	l.Cloud = amazontest.StartSlow(t, slow)
	ctx, cancel := context.WithCancelCause(t.Context())
	a := l.built("web-1")
	l.env.Log = event.Log{Sink: sinkFunc(func(e event.Event) {
		if _, ok := e.Body.(event.Say); ok { // the copy begins
			time.AfterFunc(200*time.Millisecond, func() { cancel(errors.New("enough")) })
		}
	})}
	a, err := l.distribution(AMIConfig{Name: "web-1", Regions: []string{"eu-west-1"}}).Distribute(ctx, a, l.env)
	if err == nil || !strings.Contains(err.Error(), "copy to eu-west-1: enough") {
		t.Fatalf("error = %v", err)
	}
	if left := l.env.Journal.Left(); len(left) > 0 || len(a.Places) != 1 {
		t.Errorf("places %v, in the journal %v", a.Places, left)
	}
	for _, line := range l.Server.Inventory() {
		if strings.Contains(line, "eu-west-1") {
			t.Errorf("left: %s", line)
		}
	}
	if tags := tagMap(l.described(home, a.Places[0].ID).Tags); tags[tagExpires] != "" {
		t.Error("the finished image expires")
	}
}

type sinkFunc func(event.Event)

func (f sinkFunc) Emit(e event.Event) { f(e) }

// TestDistributeResumes fails each call in turn, before it acts and with its
// answer lost. The next run brings all about, once.
func TestDistributeResumes(t *testing.T) {
	t.Parallel()
	points := 0
	for _, rule := range []fault.Rule{
		{Call: "*", Do: fault.Error, Code: "InvalidRequest", Status: 400, Message: "No"},
		{Call: "*", Do: fault.DropAfter},
	} {
		for n := 1; ; n++ {
			l := newLab(t)
			d, a := l.distribution(full()), l.built("web-1", "Kind", "root", "Base", "base", "Region", home)
			rule.Nth = n
			if err := l.Faults.Add(rule); err != nil {
				t.Fatal(err)
			}
			before := len(l.Faults.Calls())
			a, _ = d.Distribute(t.Context(), a, l.env)
			if len(l.Faults.Calls())-before < n {
				break // all were tried
			}
			points++
			env := l.env
			env.RunID = "run-2"
			a, err := l.distribution(full()).Distribute(t.Context(), a, env)
			if err != nil {
				t.Fatalf("%s at call %d, then: %v", rule.Do, n, err)
			}
			for _, p := range a.Places {
				if images := l.images(p.Name); len(images) != 1 || images[0] != p.ID {
					t.Errorf("%s at call %d: images %v in %s", rule.Do, n, images, p.Name)
				}
				img := l.described(p.Name, p.ID)
				if tagMap(img.Tags)[tagExpires] != "" {
					t.Errorf("%s at call %d: %s expires", rule.Do, n, p.Name)
				}
				l.checkSnapshots(l.region(p.Name), img)
			}
		}
	}
	t.Logf("%d points", points)
}
